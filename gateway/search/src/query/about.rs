//! Parameters about the answer: pages, order, totals, what comes along, what of it is shown.

use crate::error::SearchError;
use crate::include::{self, Include};
use crate::query::condition::{Reader, Scope, shortened};
use crate::query::{Query, Summary, Total, sort};

/// Elements that `_elements` may name.
const ELEMENTS_MOST: usize = 100;

impl Query {
    /// Takes a parameter about the answer; `None` if it is none.
    pub(crate) fn take_about(
        &mut self,
        reader: &Reader<'_>,
        scope: Scope<'_>,
        name: &str,
        value: &str,
    ) -> Option<Result<(), SearchError>> {
        let (plain, modifier) = name.split_once(':').map_or((name, None), |(plain, it)| (plain, Some(it)));
        let result = match plain {
            "_count" => self.take_count(value, reader.options.max_count),
            "_sort" => sort::read(reader, scope, value).map(|keys| self.sort = keys),
            "_total" => self.take_total(value),
            "_summary" => self.take_summary(value),
            "_elements" => self.take_elements(value),
            "_contained" => match value {
                "false" => Ok(()),
                _ => Err(word("_contained", value, "false: contained resources are shown in their containers")),
            },
            "_containedType" => match value {
                "container" => Ok(()),
                _ => Err(word("_containedType", value, "container")),
            },
            "_include" | "_revinclude" => return Some(self.take_include(reader, scope, (plain, modifier), value)),
            _ => return None,
        };
        Some(match modifier {
            None => result,
            Some(modifier) => Err(SearchError::Modifier {
                name: plain.to_owned(),
                modifier: shortened(modifier),
                supported: "none".to_owned(),
            }),
        })
    }

    fn take_count(&mut self, value: &str, most: usize) -> Result<(), SearchError> {
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        if !digits {
            return Err(SearchError::Value { name: "_count".to_owned(), expected: "a whole number" });
        }
        // More digits than a number holds is more than the limit.
        self.count = value.parse().unwrap_or(usize::MAX).min(most);
        self.only_count |= self.count == 0;
        Ok(())
    }

    fn take_total(&mut self, value: &str) -> Result<(), SearchError> {
        self.total = match value {
            "none" => Total::Silent,
            "accurate" | "estimate" => Total::Counted,
            _ => return Err(word("_total", value, "none, accurate, estimate")),
        };
        Ok(())
    }

    fn take_summary(&mut self, value: &str) -> Result<(), SearchError> {
        match value {
            "count" => self.only_count = true,
            "true" => self.summary = Some(Summary::True),
            "text" => self.summary = Some(Summary::Text),
            "data" => self.summary = Some(Summary::Data),
            "false" => self.summary = None,
            _ => return Err(word("_summary", value, "count, true, text, data, false")),
        }
        Ok(())
    }

    fn take_elements(&mut self, value: &str) -> Result<(), SearchError> {
        for name in value.split(',') {
            let letters = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
            if !letters || self.elements.len() >= ELEMENTS_MOST {
                return Err(SearchError::Value {
                    name: "_elements".to_owned(),
                    expected: "names of elements, at most 100",
                });
            }
            // A path shows the element at the top that it begins with.
            let own = name.split('.').next().unwrap_or(name).to_owned();
            if !self.elements.contains(&own) {
                self.elements.push(own);
            }
        }
        Ok(())
    }

    fn take_include(
        &mut self,
        reader: &Reader<'_>,
        scope: Scope<'_>,
        (name, modifier): (&str, Option<&str>),
        value: &str,
    ) -> Result<(), SearchError> {
        let iterate = match modifier {
            None => false,
            // `recurse` is what STU3 called it.
            Some("iterate" | "recurse") => true,
            Some(modifier) => {
                return Err(SearchError::Modifier {
                    name: name.to_owned(),
                    modifier: shortened(modifier),
                    supported: "iterate".to_owned(),
                });
            }
        };
        let registry = reader.options.registry;
        let refused = || word(name, value, include::FORM);
        let include = Include::parse(registry, value, iterate).ok_or_else(refused)?;
        // Without `:iterate` only matches are followed: one that never could be would never give anything.
        let (list, follows) = match name {
            "_include" => {
                let follows = include.source.is_none_or(|source| scope.types.contains(&source));
                (&mut self.includes, follows)
            }
            _ => {
                let may = |source| scope.types.iter().any(|own| include.may_point_to(registry, source, *own));
                (&mut self.reverse_includes, include.source.is_none_or(may))
            }
        };
        if !(follows || iterate) {
            return Err(refused());
        }
        if !list.contains(&include) {
            list.push(include);
        }
        Ok(())
    }
}

fn word(name: &str, word: &str, supported: &'static str) -> SearchError {
    SearchError::Word { name: name.to_owned(), word: shortened(word), supported }
}
