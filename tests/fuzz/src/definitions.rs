//! Any bytes as a definition, and any differential over R4: no panic, bounded work, and a profile that hangs together.
#![no_main]

use definitions::{Definitions, Package};
use libfuzzer_sys::fuzz_target;
use model::json::{Json, Limits, parse};

fuzz_target!(|raw: &[u8]| {
    // An archive, a Bundle, XML, or one definition.
    if let Ok(package) = Package::read_bytes("fuzz", raw) {
        compile_all(package);
    }
    // Whatever elements, as the differential and as the snapshot of something that otherwise makes sense.
    let Ok(elements) = parse(raw, &Limits::default()) else { return };
    let list = Json::object([("element", elements)]);
    for base in ["Patient", "Observation", "Extension", "Questionnaire"] {
        for part in ["differential", "snapshot"] {
            let definition = Json::object([
                ("resourceType", Json::from("StructureDefinition")),
                ("url", Json::from("urn:fuzz")),
                ("type", Json::from(base)),
                ("kind", Json::from("resource")),
                ("derivation", Json::from("constraint")),
                ("baseDefinition", Json::from(format!("http://hl7.org/fhir/StructureDefinition/{base}"))),
                (part, list.clone()),
            ]);
            compile_all(Package::from_resources(vec![definition]));
        }
    }
});

fn compile_all(package: Package) {
    let set = Definitions::r4().with(vec![package]);
    let own: Vec<String> = set.packages().flat_map(Package::iter).map(|(_, url, _)| url.to_owned()).collect();
    for url in own {
        let Ok(profile) = set.profile(&url) else { continue };
        let count = profile.elements.len();
        // Each element but the root stands below just one other.
        let mut above = vec![0_u32; count];
        for element in &profile.elements {
            for id in element.children.iter().chain(&element.slices) {
                above[id.index()] += 1;
            }
        }
        assert!(above.iter().enumerate().all(|(at, times)| *times == u32::from(at > 0)));
    }
}
