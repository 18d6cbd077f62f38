//! Names of columns that files often have, and what such a column becomes.

use super::super::settings::folded;

/// What a column seems to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    PatientId,
    Ssn,
    Family,
    Given,
    Middle,
    Suffix,
    Born,
    Died,
    Sex,
    Street,
    Street2,
    City,
    County,
    State,
    Zip,
    Country,
    Phone,
    Mobile,
    Email,
    Language,
    ResultId,
    TestCode,
    TestName,
    Value,
    ValueCode,
    Unit,
    Low,
    High,
    Flag,
    Drawn,
    Reported,
    Status,
    Note,
    VaccineCode,
    VaccineName,
    Administered,
    Lot,
    Expires,
    Dose,
    DoseUnit,
    Maker,
}

/// Names in their plain form: without case, blanks, `_`, `-` and `.`; and without `patient` before them.
const WORDS: &[(Field, &[&str])] = &[
    (
        Field::PatientId,
        &[
            "id",
            "patientid",
            "mrn",
            "patientno",
            "patientnumber",
            "patid",
            "ptid",
            "chartno",
            "chartnumber",
            "medicalrecordnumber",
            "personid",
            "memberid",
            "identifier",
            "patientmrn",
            "patnr",
            "patientnr",
            "pid",
        ],
    ),
    (Field::Ssn, &["ssn", "socialsecuritynumber", "socialsecurityno"]),
    (Field::Family, &["lastname", "family", "familyname", "surname", "last", "lname", "nachname", "nom", "apellido"]),
    (
        Field::Given,
        &["firstname", "given", "givenname", "givennames", "first", "fname", "forename", "vorname", "prenom"],
    ),
    (Field::Middle, &["middlename", "middle", "middleinitial", "mname", "mi"]),
    (Field::Suffix, &["suffix", "namesuffix"]),
    (
        Field::Born,
        &[
            "gebdatum",
            "geboren",
            "datenaissance",
            "fechanacimiento",
            "dob",
            "birthdate",
            "dateofbirth",
            "born",
            "birthday",
            "bdate",
            "geburtsdatum",
            "birth",
        ],
    ),
    (Field::Died, &["dod", "deathdate", "dateofdeath", "deceaseddate"]),
    (Field::Sex, &["sex", "gender", "administrativesex", "geschlecht", "sexe"]),
    (
        Field::Street,
        &[
            "strasse",
            "straße",
            "rue",
            "street",
            "address",
            "address1",
            "addressline1",
            "streetaddress",
            "addr",
            "addr1",
            "addressline",
        ],
    ),
    (Field::Street2, &["street2", "address2", "addressline2", "addr2"]),
    (Field::City, &["city", "town", "municipality", "ort", "ville"]),
    (Field::County, &["county", "district"]),
    (Field::State, &["state", "province", "stateprovince"]),
    (Field::Zip, &["zip", "zipcode", "postalcode", "postcode", "plz"]),
    (Field::Country, &["country", "countrycode", "nation"]),
    (Field::Phone, &["phone", "phonenumber", "telephone", "telephonenumber", "tel", "homephone", "phone1"]),
    (Field::Mobile, &["mobile", "mobilephone", "cell", "cellphone", "mobilenumber"]),
    (Field::Email, &["email", "emailaddress", "mail"]),
    (Field::Language, &["language", "preferredlanguage", "lang"]),
    (
        Field::ResultId,
        &["resultid", "observationid", "accession", "accessionnumber", "specimenid", "resultnumber", "labno"],
    ),
    (
        Field::TestCode,
        &[
            "testcode",
            "loinc",
            "loinccode",
            "observationcode",
            "testperformedcode",
            "orderedtestcode",
            "analytecode",
            "labcode",
        ],
    ),
    (
        Field::TestName,
        &[
            "analyse",
            "untersuchung",
            "parameter",
            "test",
            "testname",
            "analyte",
            "analytename",
            "observation",
            "observationname",
            "testdescription",
            "labname",
        ],
    ),
    (
        Field::Value,
        &[
            "ergebnis",
            "wert",
            "resultat",
            "resultado",
            "valor",
            "value",
            "result",
            "resultvalue",
            "testresult",
            "observationvalue",
            "labvalue",
        ],
    ),
    (Field::ValueCode, &["resultcode", "testresultcode", "valuecode", "resultsnomed"]),
    (
        Field::Unit,
        &["einheit", "unite", "unidad", "unit", "units", "uom", "resultunit", "resultunits", "unitofmeasure"],
    ),
    (
        Field::Low,
        &["normunten", "untergrenze", "low", "referencelow", "refrangelow", "normallow", "rangelow", "lowerlimit"],
    ),
    (
        Field::High,
        &["normoben", "obergrenze", "high", "referencehigh", "refrangehigh", "normalhigh", "rangehigh", "upperlimit"],
    ),
    (Field::Flag, &["flag", "abnormalflag", "abnormal", "interpretation", "resultflag"]),
    (
        Field::Drawn,
        &[
            "entnahme",
            "entnahmedatum",
            "abnahme",
            "datecollection",
            "drawn",
            "collected",
            "collectiondate",
            "collectiondatetime",
            "specimencollectiondate",
            "specimencollectiondatetime",
            "datecollected",
            "testdate",
            "observationdate",
            "effectivedate",
            "resultdatetime",
            "sampledate",
        ],
    ),
    (Field::Reported, &["reported", "reportdate", "resultdate", "dateresultreleased", "datereported", "releasedate"]),
    (Field::Status, &["status", "resultstatus", "testresultstatus", "observationstatus"]),
    (Field::VaccineCode, &["cvx", "cvxcode", "vaccinecode", "vaccinecvx", "immunizationcode"]),
    (
        Field::VaccineName,
        &["vaccine", "vaccinename", "immunization", "immunizationname", "impfstoff", "vaccin", "vacuna"],
    ),
    (
        Field::Administered,
        &[
            "admindate",
            "administrationdate",
            "dateadministered",
            "vaccinationdate",
            "dategiven",
            "shotdate",
            "impfdatum",
        ],
    ),
    (Field::Lot, &["lot", "lotnumber", "lotno", "batch", "batchnumber", "charge"]),
    (Field::Expires, &["expirationdate", "expirydate", "lotexpiration", "expires"]),
    (Field::Dose, &["dose", "dosequantity", "doseamount", "dosevolume"]),
    (Field::DoseUnit, &["doseunit", "doseunits"]),
    (Field::Maker, &["manufacturer", "manufacturername", "mvxname"]),
    (Field::Note, &["note", "notes", "comment", "comments", "remark", "remarks"]),
];

impl Field {
    /// What a column of this name seems to be.
    pub(super) fn of(name: &str) -> Option<Self> {
        let plain = folded(name);
        let bare = ["patient", "pat", "pt"].iter().find_map(|head| plain.strip_prefix(head)).unwrap_or(&plain);
        let named = |name: &str| WORDS.iter().find(|(_, words)| words.contains(&name)).map(|(field, _)| *field);
        named(&plain).or_else(|| named(bare))
    }

    pub(super) fn name(self) -> &'static str {
        WORDS.iter().find(|(field, _)| *field == self).and_then(|(_, words)| words.first().copied()).unwrap_or("")
    }

    pub(super) fn is_date(self) -> bool {
        matches!(self, Self::Born | Self::Died | Self::Drawn | Self::Reported | Self::Administered | Self::Expires)
    }

    /// Whether several columns may be it.
    pub(super) fn repeats(self) -> bool {
        matches!(self, Self::Note)
    }

    /// Whether the texts of such a column are codes, which a package may hold.
    pub(super) fn has_codes(self) -> bool {
        matches!(self, Self::Sex | Self::Flag | Self::Status)
    }

    /// The vocabulary map of such a column.
    pub(super) fn map(self) -> Option<&'static str> {
        match self {
            Self::Sex => Some("Sex"),
            Self::Flag => Some("Flag"),
            Self::Status => Some("Status"),
            _ => None,
        }
    }

    /// System and code that a code of such a column seems to be.
    pub(super) fn code(self, code: &str) -> Option<(&'static str, &'static str)> {
        let code = code.to_ascii_lowercase();
        let (system, pairs): (&str, &[(&str, &str)]) = match self {
            Self::Sex => (
                "",
                &[
                    ("f", "female"),
                    ("female", "female"),
                    ("w", "female"),
                    ("m", "male"),
                    ("male", "male"),
                    ("o", "other"),
                    ("other", "other"),
                    ("x", "other"),
                    ("u", "unknown"),
                    ("unknown", "unknown"),
                ],
            ),
            Self::Flag => (
                "interpretation",
                &[
                    ("n", "N"),
                    ("normal", "N"),
                    ("h", "H"),
                    ("high", "H"),
                    ("hh", "HH"),
                    ("l", "L"),
                    ("low", "L"),
                    ("ll", "LL"),
                    ("a", "A"),
                    ("abnormal", "A"),
                    ("aa", "AA"),
                ],
            ),
            Self::Status => (
                "",
                &[
                    ("f", "final"),
                    ("final", "final"),
                    ("p", "preliminary"),
                    ("preliminary", "preliminary"),
                    ("c", "corrected"),
                    ("corrected", "corrected"),
                    ("x", "cancelled"),
                    ("cancelled", "cancelled"),
                    ("canceled", "cancelled"),
                ],
            ),
            _ => return None,
        };
        pairs.iter().find(|(text, _)| *text == code).map(|(_, target)| (system, *target))
    }

    /// Rows of a resource, without their origin; `{column}` and `{result}` stand for the column and that of the value.
    pub(super) fn row(self, kind: &str) -> Option<&'static str> {
        let row = match (self, kind) {
            (Self::PatientId, "Patient") => "{column},Patient.identifier[0].value,trimmed,system=$patient,,",
            (Self::Ssn, "Patient") => "{column},Patient.identifier[1].value,trimmed,system=$ssn,,",
            (Self::Family, "Patient") => "{column},Patient.name[0].family,trimmed,,,",
            (Self::Given | Self::Middle, "Patient") => "{column},Patient.name[0].given[+],trimmed,,,",
            (Self::Suffix, "Patient") => "{column},Patient.name[0].suffix[+],trimmed,,,",
            (Self::Born, "Patient") => "{column},Patient.birthDate,date,,,",
            (Self::Died, "Patient") => "{column},Patient.deceasedDateTime,dateTime,,,",
            (Self::Sex, "Patient") => "{column},Patient.gender,code:Sex,,,",
            (Self::Street | Self::Street2, "Patient") => "{column},Patient.address[0].line[+],trimmed,,,",
            (Self::City, "Patient") => "{column},Patient.address[0].city,trimmed,,,",
            (Self::County, "Patient") => "{column},Patient.address[0].district,trimmed,,,",
            (Self::State, "Patient") => "{column},Patient.address[0].state,trimmed,,,",
            (Self::Zip, "Patient") => "{column},Patient.address[0].postalCode,trimmed,,,",
            (Self::Country, "Patient") => "{column},Patient.address[0].country,trimmed,,,",
            (Self::Phone, "Patient") => "{column},Patient.telecom[0].value,trimmed,system=phone,,",
            (Self::Mobile, "Patient") => "{column},Patient.telecom[1].value,trimmed,system=phone;use=mobile,,",
            (Self::Email, "Patient") => "{column},Patient.telecom[2].value,trimmed,system=email,,",
            (Self::ResultId, "Observation") => "{column},Observation.identifier[0].value,trimmed,system=$result,,",
            (Self::TestCode, "Observation") => "{column},Observation.code.coding[0].code,code,system=$test,,",
            (Self::TestName, "Observation") => "{column},Observation.code.text,trimmed,,,",
            (Self::Value, "Observation") => {
                "{column},Observation.valueQuantity.value,decimal,,number({column}),\n\
                 {column},Observation.valueQuantity.comparator,comparator_of,,compared({column}),\n\
                 {column},Observation.valueQuantity.value,number_of,,compared({column}),\n\
                 {column},Observation.valueString,trimmed,,!number({column}) and !compared({column}),"
            }
            (Self::ValueCode, "Observation") => {
                "{column},Observation.valueCodeableConcept.coding[0].code,code,system=$finding,,"
            }
            (Self::Unit, "Observation") => {
                "{column},Observation.valueQuantity.unit,trimmed,,number({result}),\n\
                 {column},Observation.valueQuantity.unit,trimmed,,compared({result}),"
            }
            (Self::Low, "Observation") => "{column},Observation.referenceRange[0].low.value,decimal,,,",
            (Self::High, "Observation") => "{column},Observation.referenceRange[0].high.value,decimal,,,",
            (Self::Flag, "Observation") => "{column},Observation.interpretation[+],code:Flag,,,",
            (Self::Drawn, "Observation") => "{column},Observation.effectiveDateTime,dateTime,,,",
            (Self::Status, "Observation") => "{column},Observation.status,code:Status,,,",
            (Self::Note, "Observation") => "{column},Observation.note[+].text,trimmed,,,",
            (Self::VaccineCode, "Immunization") => {
                "{column},Immunization.vaccineCode.coding[0].code,code,system=$vaccine,,"
            }
            (Self::VaccineName, "Immunization") => "{column},Immunization.vaccineCode.text,trimmed,,,",
            (Self::Administered, "Immunization") => "{column},Immunization.occurrenceDateTime,dateTime,,,",
            (Self::Lot, "Immunization") => "{column},Immunization.lotNumber,trimmed,,,",
            (Self::Expires, "Immunization") => "{column},Immunization.expirationDate,date,,,",
            (Self::Dose, "Immunization") => "{column},Immunization.doseQuantity.value,decimal,,number({column}),",
            (Self::DoseUnit, "Immunization") => "{column},Immunization.doseQuantity.unit,trimmed,,,",
            (Self::Maker, "Immunization") => "{column},Immunization.manufacturer.display,trimmed,,,",
            (Self::Note, "Immunization") => "{column},Immunization.note[+].text,trimmed,,,",
            _ => return None,
        };
        Some(row)
    }
}
