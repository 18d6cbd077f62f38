//! What the format level costs on an ordinary admission: `cargo bench -p formats`.

use formats::hl7v2::{Delimiters, Message, MessageBuilder, Splitter, split_batch};
use formats::mllp;

fn main() {
    divan::main();
}

/// An admission of about 1.3 KB.
fn admission() -> Vec<u8> {
    let text = [
        "MSH|^~\\&|ADT1|NORTH^1.2.3.4^ISO|GATE|SOUTH^1.2.3.5^ISO|20240102030405+0100||ADT^A01^ADT_A01|CTRL0001|P|2.5.1|||AL|NE||UNICODE UTF-8",
        "EVN|A01|20240102030405|||C08^Sample^Clerk^M^^Dr^^^NORTH&1.2.3.4&ISO^L|20240102030000",
        "PID|1||4711^^^NORTH&1.2.3.4&ISO^MR~0815-11^^^SOUTH&1.2.3.5&ISO^PI~123-45-6789^^^^SS||Muster^Erika^Maria^^Dr.^^L~Beispiel^Erika^^^^^M||19800102|F|||Weg 1^Haus 2^Ort^BE^10115^DE^H~Postfach 12^^Ort^BE^10117^DE^M||^PRN^PH^^49^30^5550101~^NET^Internet^erika@example.org|^WPN^PH^^49^30^5550199|de^German^ISO639|M^Married^HL70002|CAT^Catholic^HL70006|ACC-99^^^NORTH&1.2.3.4&ISO^AN|||||Ort|N||DEU^Germany^ISO3166||N",
        "PD1|||Praxis Nord^^10293|1234^Hausarzt^Paul^^^Dr.^^^NORTH&1.2.3.4&ISO",
        "NK1|1|Muster^Otto|SPO^Spouse^HL70063|Weg 1^^Ort^BE^10115^DE|^PRN^PH^^49^30^5550102",
        "PV1|1|I|W3^R12^B2^NORTH^^^H1|E|||2001^Kardia^Clara^^^Dr.^^^NORTH&1.2.3.4&ISO|2002^Zuweisung^Zoe||MED||||7|||2001^Kardia^Clara|IP|V-5501^^^NORTH&1.2.3.4&ISO^VN|||||||||||||||||||||||||20240102030000",
        "AL1|1|DA^Drug^HL70127|PEN^Penicillin^L|SV^Severe^HL70128|Exanthema \\T\\ dyspnoea|20100501",
        "DG1|1||I21.9^Acute myocardial infarction^I10||20240102|A",
    ];
    text.map(|line| format!("{line}\r")).concat().into_bytes()
}

/// A result of about 2 KB.
fn result() -> Vec<u8> {
    let mut text = String::from(
        "MSH|^~\\&|LAB|NORTH^1.2.3.4^ISO|GATE|SOUTH|20240102030405+0100||ORU^R01^ORU_R01|CTRL0002|P|2.5.1\r\
         PID|1||4711^^^NORTH&1.2.3.4&ISO^MR||Muster^Erika^Maria||19800102|F|||Weg 1^^Ort^BE^10115^DE\r\
         OBR|1|F-1^GATE|L-1^LAB|24323-8^Comprehensive metabolic panel^LN|||20240102020000||||||||2001^Kardia^Clara||||||20240102030400|||F\r",
    );
    for n in 1..=14 {
        text.push_str(&format!(
            "OBX|{n}|NM|2823-{n}^Potassium [Moles/volume] in Serum^LN||4.{n}|mmol/L^^UCUM|3.5-5.1|N|||F|||20240102030400||2002^Labor^Lea\r"
        ));
    }
    text.into_bytes()
}

/// A report of a few hundred results, a long text and a document among them: about 1 MB.
fn large() -> Vec<u8> {
    let mut out = result();
    for _ in 0..300 {
        out.extend_from_slice(b"OBX|1|TX|8251-1^Comment^LN||A finding \\T\\ what it means, in some words that go on.\\.br\\Next line.||||||F\r");
        out.extend_from_slice(result().get(300..).unwrap_or_default());
    }
    out.extend_from_slice(b"OBX|9|ED|11488-4^Letter^LN||^application^pdf^Base64^");
    out.extend(std::iter::repeat_n(b'A', 400_000));
    out.extend_from_slice(b"||||||F\r");
    out
}

#[divan::bench]
fn parse_result(bencher: divan::Bencher<'_, '_>) {
    let raw = result();
    bencher
        .counter(divan::counter::BytesCount::new(raw.len()))
        .bench(|| Message::parse(divan::black_box(&raw)).map(|p| p.issues.len()));
}

#[divan::bench]
fn parse_large(bencher: divan::Bencher<'_, '_>) {
    let raw = large();
    bencher
        .counter(divan::counter::BytesCount::new(raw.len()))
        .bench(|| Message::parse(divan::black_box(&raw)).map(|p| p.issues.len()));
}

/// Parsed, and every piece read: what a parser that builds a tree does.
#[divan::bench]
fn parse_and_read_all(bencher: divan::Bencher<'_, '_>) {
    let raw = admission();
    bencher.counter(divan::counter::BytesCount::new(raw.len())).bench(|| {
        Message::parse(divan::black_box(&raw))
            .map(|p| p.message.segments().flat_map(|s| s.leaves()).map(|leaf| leaf.raw.len()).sum::<usize>())
    });
}

/// A batch file of 1000 admissions.
fn batch() -> Vec<u8> {
    [b"FHS|^~\\&\rBHS|^~\\&\r".to_vec(), admission().repeat(1000), b"BTS|1000\rFTS|1\r".to_vec()].concat()
}

#[divan::bench]
fn split_whole(bencher: divan::Bencher<'_, '_>) {
    let raw = batch();
    bencher
        .counter(divan::counter::BytesCount::new(raw.len()))
        .bench(|| split_batch(divan::black_box(&raw)).messages.len());
}

#[divan::bench]
fn split_stream(bencher: divan::Bencher<'_, '_>) {
    let raw = batch();
    bencher.counter(divan::counter::BytesCount::new(raw.len())).bench(|| {
        let mut splitter = Splitter::new(1 << 20);
        let mut found = 0_usize;
        for chunk in divan::black_box(&raw).chunks(64 << 10) {
            splitter.push(chunk);
            found = found.saturating_add(std::iter::from_fn(|| splitter.next()).count());
        }
        splitter.finish();
        found.saturating_add(std::iter::from_fn(|| splitter.next()).count())
    });
}

#[divan::bench]
fn parse(bencher: divan::Bencher<'_, '_>) {
    let raw = admission();
    bencher
        .counter(divan::counter::BytesCount::new(raw.len()))
        .bench(|| Message::parse(divan::black_box(&raw)).map(|p| p.issues.len()));
}

/// Floor: the same bytes copied and checked to be UTF-8.
#[divan::bench]
fn floor_utf8_copy(bencher: divan::Bencher<'_, '_>) {
    let raw = admission();
    bencher
        .counter(divan::counter::BytesCount::new(raw.len()))
        .bench(|| String::from_utf8(divan::black_box(&raw).clone()).map(|t| t.len()));
}

#[divan::bench]
fn leaves(bencher: divan::Bencher<'_, '_>) {
    let Ok(parsed) = Message::parse(&admission()) else { return };
    bencher.bench(|| parsed.message.segments().flat_map(|s| s.leaves()).map(|leaf| leaf.raw.len()).sum::<usize>());
}

#[divan::bench]
fn leaves_with_places_as_text(bencher: divan::Bencher<'_, '_>) {
    let Ok(parsed) = Message::parse(&admission()) else { return };
    bencher.bench(|| {
        parsed.message.segments().flat_map(|s| s.leaves()).map(|leaf| leaf.place.to_string().len()).sum::<usize>()
    });
}

#[divan::bench]
fn write(bencher: divan::Bencher<'_, '_>) {
    let Ok(parsed) = Message::parse(&admission()) else { return };
    bencher.bench(|| parsed.message.write().len());
}

#[divan::bench]
fn build_the_same(bencher: divan::Bencher<'_, '_>) {
    let Ok(parsed) = Message::parse(&admission()) else { return };
    bencher.bench(|| {
        let mut out = MessageBuilder::new(Delimiters::default());
        for segment in parsed.message.segments() {
            let target = out.segment(segment.name());
            for leaf in segment.leaves() {
                let place = leaf.place;
                let number = |n: Option<u32>| n.and_then(|n| u16::try_from(n).ok()).unwrap_or(1);
                target.set(
                    number(Some(place.field)),
                    number(place.repetition),
                    number(place.component),
                    number(place.subcomponent),
                    leaf.raw,
                );
            }
        }
        out.to_bytes().len()
    });
}

#[divan::bench]
fn mllp_decode(bencher: divan::Bencher<'_, '_>) {
    let framed = mllp::encode(&admission());
    bencher.counter(divan::counter::BytesCount::new(framed.len())).bench(|| {
        let mut decoder = mllp::Decoder::new(1 << 20);
        decoder.push(divan::black_box(&framed));
        decoder.next().map(|frame| frame.map(|f| f.len()))
    });
}
