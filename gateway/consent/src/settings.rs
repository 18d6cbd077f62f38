//! How the site has set the rules, with our answer to what the texts leave open as the default.

use std::time::Duration;

use crate::request::UnknownWord;

/// What holds where no consent decides. Never above confidentiality N.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum ImplicitPolicy {
    /// Nothing is permitted.
    #[default]
    Deny,
    /// Treatment and what is below it is permitted to clinicians.
    PermitTreatment,
    /// Every purpose is permitted.
    PermitAll,
}

impl ImplicitPolicy {
    /// Reads the word of the configuration.
    ///
    /// # Errors
    /// [`UnknownWord`] for other words.
    pub fn parse(word: &str) -> Result<Self, UnknownWord> {
        Ok(match word {
            "deny" => Self::Deny,
            "permit-treatment" => Self::PermitTreatment,
            "permit-all" => Self::PermitAll,
            _ => return Err(UnknownWord { expected: "deny, permit-treatment or permit-all" }),
        })
    }
}

/// What a valid break-glass declaration does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum BtgMode {
    /// Permits below confidentiality V, except where a deny names break-glass or emergency treatment.
    #[default]
    Override,
    /// Permits what the consents permit for the purpose BTG.
    ConsentOnly,
    /// Nothing; declarations are refused.
    Off,
}

impl BtgMode {
    /// Reads the word of the configuration.
    ///
    /// # Errors
    /// [`UnknownWord`] for other words.
    pub fn parse(word: &str) -> Result<Self, UnknownWord> {
        Ok(match word {
            "override" => Self::Override,
            "consent-only" => Self::ConsentOnly,
            "off" => Self::Off,
            _ => return Err(UnknownWord { expected: "override, consent-only or off" }),
        })
    }
}

/// Where security labels come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Labelling {
    /// `meta.security` is complete: a resource without labels is of confidentiality N.
    #[default]
    Complete,
    /// The sensitivity map is run, then as for `Complete`.
    Map,
    /// Nobody has labelled: a resource without labels is of confidentiality R.
    Unavailable,
}

impl Labelling {
    /// Reads the word of the configuration.
    ///
    /// # Errors
    /// [`UnknownWord`] for other words.
    pub fn parse(word: &str) -> Result<Self, UnknownWord> {
        Ok(match word {
            "complete" => Self::Complete,
            "map" => Self::Map,
            "unavailable" => Self::Unavailable,
            _ => return Err(UnknownWord { expected: "complete, map or unavailable" }),
        })
    }
}

/// How a request with several purposes is decided. The texts leave it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Purposes {
    /// Each must be permitted: the data would be used for each.
    #[default]
    Every,
    /// A provision's purpose is met by any of them.
    Any,
}

impl Purposes {
    /// Reads the word of the configuration.
    ///
    /// # Errors
    /// [`UnknownWord`] for other words.
    pub fn parse(word: &str) -> Result<Self, UnknownWord> {
        Ok(match word {
            "every" => Self::Every,
            "any" => Self::Any,
            _ => return Err(UnknownWord { expected: "every or any" }),
        })
    }
}

/// Which of a resource's sensitivity labels a permit has to list. The texts leave it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum LabelCover {
    /// All of them: a permit for one topic does not open what also touches another.
    #[default]
    All,
    /// One of them.
    Any,
}

impl LabelCover {
    /// Reads the word of the configuration.
    ///
    /// # Errors
    /// [`UnknownWord`] for other words.
    pub fn parse(word: &str) -> Result<Self, UnknownWord> {
        Ok(match word {
            "all" => Self::All,
            "any" => Self::Any,
            _ => return Err(UnknownWord { expected: "all or any" }),
        })
    }
}

/// What a criterion of a nested provision does to the same criterion of the provision above. The texts leave it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Inheritance {
    /// It takes its place: a nested provision can reach what the one above does not.
    #[default]
    Override,
    /// In a permit both must hold: it only ever narrows the one above. A deny keeps the reach it has.
    Narrow,
}

impl Inheritance {
    /// Reads the word of the configuration.
    ///
    /// # Errors
    /// [`UnknownWord`] for other words.
    pub fn parse(word: &str) -> Result<Self, UnknownWord> {
        Ok(match word {
            "override" => Self::Override,
            "narrow" => Self::Narrow,
            _ => return Err(UnknownWord { expected: "override or narrow" }),
        })
    }
}

/// Whether the policy `OPTIN` permits what no provision decides where the root provision is a permit itself. The texts
/// leave it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum BasePolicy {
    /// No: who writes a permit for somebody means that permit, and not one for everybody beside it.
    #[default]
    Guarded,
    /// Yes, as it is written.
    Literal,
}

impl BasePolicy {
    /// Reads the word of the configuration.
    ///
    /// # Errors
    /// [`UnknownWord`] for other words.
    pub fn parse(word: &str) -> Result<Self, UnknownWord> {
        Ok(match word {
            "guarded" => Self::Guarded,
            "literal" => Self::Literal,
            _ => return Err(UnknownWord { expected: "guarded or literal" }),
        })
    }
}

/// How the site has set the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What holds where no consent decides.
    pub implicit_policy: ImplicitPolicy,
    /// What break-glass does.
    pub btg: BtgMode,
    /// How long a declaration holds.
    pub btg_ttl: Duration,
    /// Where labels come from.
    pub labelling: Labelling,
    /// How a request with several purposes is decided.
    pub purposes: Purposes,
    /// Which sensitivity labels a permit has to list.
    pub label_cover: LabelCover,
    /// What a nested provision inherits.
    pub inheritance: Inheritance,
    /// What `OPTIN` means beside a root permit.
    pub base_policy: BasePolicy,
}

impl Settings {
    /// How long a break-glass declaration holds unless the site says otherwise.
    pub const BTG_TTL: Duration = Duration::from_secs(60 * 60);
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            implicit_policy: ImplicitPolicy::default(),
            btg: BtgMode::default(),
            btg_ttl: Self::BTG_TTL,
            labelling: Labelling::default(),
            purposes: Purposes::default(),
            label_cover: LabelCover::default(),
            inheritance: Inheritance::default(),
            base_policy: BasePolicy::default(),
        }
    }
}
