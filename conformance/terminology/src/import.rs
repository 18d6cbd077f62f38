//! Importing licensed code systems from their publishers' files into [`crate::release`] form.
//!
//! Nothing of these code systems is in this program: a user who has the licence points at the unpacked release. Texts
//! stream through to disk; memory holds codes, edges and the places of texts.

mod icd10;
mod loinc;
mod rxnorm;
mod snomed;
mod table;

use std::path::{Path, PathBuf};

use crate::release::ReleaseError;

/// The code systems that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// SNOMED CT: a folder with an RF2 snapshot.
    SnomedCt,
    /// LOINC: the unpacked LOINC folder, or just `Loinc.csv` in one.
    Loinc,
    /// RxNorm: a folder with `RXNCONSO.RRF`.
    RxNorm,
    /// ICD-10 of the WHO or a country: a ClaML file.
    Icd10,
    /// ICD-10-CM: the tabular order file (`icd10cm_order_YYYY.txt` or `icd10cm-order-…`).
    Icd10Cm,
}

/// What to import, and where to.
#[derive(Clone, Copy, Debug)]
pub struct Import<'a> {
    /// Which code system.
    pub system: System,
    /// The publisher's folder or file.
    pub release: &'a Path,
    /// The version, if the files do not say it or it is to be another one.
    pub version: Option<&'a str>,
    /// The code system's URI, where a country has its own (ICD-10).
    pub url: Option<&'a str>,
    /// The folder of imported releases.
    pub folder: &'a Path,
}

impl Import<'_> {
    /// Imports; `progress` is told of rows read now and then.
    ///
    /// # Errors
    /// `ReleaseError`: files that are missing or laid out otherwise, the disk. The folder is then as before.
    pub fn run(&self, progress: &mut dyn FnMut(u64)) -> Result<PathBuf, ReleaseError> {
        match self.system {
            System::SnomedCt => snomed::import(self, progress),
            System::Loinc => loinc::import(self, progress),
            System::RxNorm => rxnorm::import(self, progress),
            System::Icd10 => icd10::claml(self, progress),
            System::Icd10Cm => icd10::order(self, progress),
        }
    }
}

#[cfg(test)]
mod tests;
