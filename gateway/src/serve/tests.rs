use std::sync::Arc;

use formats::mllp::{Decoder, encode};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

const MESSAGE: &str = "MSH|^~\\&|ADT|NORTH|A|B|20260301101500+0100||ADT^A01^ADT_A01|T1|P|2.5.1\r\
    EVN|A01|20260301101500+0100\rPID|1||4711^^^NORTH^MR||DOE^JANE||19700101|F\rPV1|1|I|W^1^A\r";

/// An authority for clients and one certificate of it, as files and as what a client holds.
struct Authority {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    fingerprint: String,
}

fn authority(folder: &Path) -> Authority {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::<String>::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(folder.join("partners.pem"), ca.self_signed(&ca_key).unwrap().pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut client = CertificateParams::new(vec!["laboratory".to_owned()]).unwrap();
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let made = client.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    let certificate = made.der().clone();
    Authority {
        fingerprint: tls::fingerprint(&certificate),
        key: PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap(),
        certificate,
    }
}

async fn gateway(folder: &Path, more: &str) -> Running {
    let text = format!(
        "[listen]\nhttps = \"off\"\nmllp = \"127.0.0.1:0\"\nmllp_tls = true\nclient_ca_file = \"partners.pem\"\n\
         [store]\nbackend = \"memory\"\nmin_free = \"1B\"\n{more}"
    );
    let config = Config::parse(&text, folder).unwrap();
    start(config, &folder.join("data"), Arc::new(SystemClock)).await.unwrap()
}

async fn connect(
    running: &Running,
    folder: &Path,
    client: Option<&Authority>,
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    let server = folder.join("data/keys").join(tls::CERTIFICATE_FILE);
    roots.add(CertificateDer::from_pem_file(server).unwrap()).unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match client {
        Some(client) => {
            builder.with_client_auth_cert(vec![client.certificate.clone()], client.key.clone_key()).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    let stream = TcpStream::connect(running.mllp().unwrap()).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap()
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, message: &str) -> Option<String> {
    stream.write_all(&encode(message.as_bytes())).await.ok()?;
    stream.flush().await.ok()?;
    let mut decoder = Decoder::new(1 << 20);
    let mut buffer = [0; 4096];
    loop {
        if let Some(frame) = decoder.next() {
            return String::from_utf8(frame.ok()?).ok();
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => decoder.push(&buffer[..count]),
        }
    }
}

#[tokio::test]
async fn mllp_in_tls_knows_the_sender_by_certificate_and_takes_nothing_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let client = authority(folder.path());
    let source = format!(
        "[[source]]\nname = \"laboratory\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\nmatch = {{ client_certificate = \"{}\" }}\n",
        client.fingerprint
    );
    let running = gateway(folder.path(), &source).await;
    let mut known = connect(&running, folder.path(), Some(&client)).await;
    let answer = exchange(&mut known, MESSAGE).await.unwrap();
    assert!(answer.contains("MSA|AA|T1|exchange "), "{answer:?}");
    let mut unknown = connect(&running, folder.path(), None).await;
    assert_eq!(exchange(&mut unknown, MESSAGE).await, None);
    drop((known, unknown));
    running.stop().await;
}

#[tokio::test]
async fn forwards_in_tls_to_a_partner_whose_authority_is_named() {
    let folder = tempfile::tempdir().unwrap();
    authority(folder.path());
    let (certificate, key) = tls::self_signed(&folder.path().join("partner")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(tls::server(&certificate, &key, None, &[]).unwrap());
    let partner = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        let mut taken = Vec::new();
        let mut buffer = [0; 65536];
        while !String::from_utf8_lossy(&taken).ends_with("]}") {
            let count = stream.read(&mut buffer).await.unwrap();
            taken.extend_from_slice(&buffer[..count]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
        stream.flush().await.unwrap();
        String::from_utf8(taken).unwrap()
    });
    let more = format!(
        "[consent]\nimplicit_policy = \"permit-all\"\n\
         [[source]]\nname = \"ward\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\ndestinations = [\"clinic\"]\n\
         [[destination]]\nname = \"clinic\"\ntransport = \"fhir\"\naddress = \"https://localhost:{}/fhir\"\n\
         ca_file = \"partner/{}\"\nrecipient = [\"Organization/clinic\"]\n",
        address.port(),
        tls::CERTIFICATE_FILE
    );
    let running = gateway(folder.path(), &more).await;
    let inbound = crate::pipeline::Inbound {
        source: "ward".to_owned(),
        transport: crate::pipeline::Transport::Mllp,
        received_at: running.app().clock.now(),
        raw: MESSAGE.into(),
        content_type: None,
    };
    running.app().ingest.receive(running.app(), inbound).await.unwrap();
    let taken = tokio::time::timeout(Duration::from_secs(20), partner).await.unwrap().unwrap();
    assert!(taken.starts_with("POST /fhir HTTP/1.1\r\n"), "{taken}");
    assert!(taken.contains("\"resourceType\":\"Patient\""));
    running.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let text = format!(
        "[listen]\nhttps = \"off\"\nmllp = \"{}\"\n[store]\nbackend = \"memory\"\n",
        taken.local_addr().unwrap()
    );
    let config = Config::parse(&text, folder.path()).unwrap();
    let error = start(config, &folder.path().join("data"), Arc::new(SystemClock)).await.err().unwrap();
    assert!(matches!(error, ServeError::Listen { listener: "mllp", .. }), "{error}");
}

#[tokio::test]
async fn shows_its_certificate_to_a_partner_who_asks_and_delivers_over_mllps() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = tls::self_signed(&folder.path().join("partner")).unwrap();
    let (ours, our_key) = tls::self_signed(&folder.path().join("ours")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // The certificate for localhost is its own authority.
    let acceptor = TlsAcceptor::from(tls::server(&certificate, &key, Some(&ours), &[]).unwrap());
    let partner = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        let shown = stream.get_ref().1.peer_certificates().unwrap().first().map(tls::fingerprint);
        let mut decoder = Decoder::new(1 << 20);
        let mut buffer = [0; 65536];
        let message = loop {
            let count = stream.read(&mut buffer).await.unwrap();
            decoder.push(&buffer[..count]);
            if let Some(frame) = decoder.next() {
                break String::from_utf8(frame.unwrap()).unwrap();
            }
        };
        let id = message.split('|').nth(9).unwrap();
        let answer = format!("MSH|^~\\&|C|D|A|B|1||ACK|X|P|2.5.1\rMSA|AA|{id}\r");
        stream.write_all(&encode(answer.as_bytes())).await.unwrap();
        stream.flush().await.unwrap();
        shown
    });
    let more = format!(
        "[consent]\nimplicit_policy = \"permit-all\"\n\
         [[source]]\nname = \"ward\"\ntransport = \"mllp\"\nformat = \"hl7v2\"\ndestinations = [\"clinic\"]\n\
         [[destination]]\nname = \"clinic\"\ntransport = \"mllp\"\naddress = \"mllps://localhost:{}\"\n\
         ca_file = \"{}\"\ncert_file = \"{}\"\nkey_file = \"{}\"\nrecipient = [\"Organization/clinic\"]\n",
        address.port(),
        certificate.display(),
        ours.display(),
        our_key.display()
    );
    let folder_of_gateway = folder.path().join("gateway");
    std::fs::create_dir_all(&folder_of_gateway).unwrap();
    authority(&folder_of_gateway);
    let running = gateway(&folder_of_gateway, &more).await;
    let inbound = crate::pipeline::Inbound {
        source: "ward".to_owned(),
        transport: crate::pipeline::Transport::Mllp,
        received_at: running.app().clock.now(),
        raw: MESSAGE.as_bytes().into(),
        content_type: None,
    };
    running.app().ingest.receive(running.app(), inbound).await.unwrap();
    let shown = tokio::time::timeout(std::time::Duration::from_secs(30), partner).await.unwrap().unwrap();
    assert_eq!(shown, Some(tls::fingerprint(&CertificateDer::from_pem_file(&ours).unwrap())));
    running.stop().await;
}
