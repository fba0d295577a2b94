//! The lists of a world: pages put together, and what `--query` leaves of a document.

use std::fs;

use eic_doctor_proto::{Fact, Why};
use serde::Deserialize;

use super::files::{Document, Folder, NoText};
use super::listing::{self, Listing};
use super::{WorldError, shape};

/// Whether the AWS CLI stopped before the end, by `--max-items` or `--no-paginate`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct PageEnd {
    next_token: Option<String>,
}

/// What of a list was recorded.
pub struct Pages<T> {
    pub items: Fact<Vec<T>>,
    /// That there are more pages than were recorded.
    pub goes_on: Option<Why>,
}

enum Page<T> {
    Items { items: Vec<T>, goes_on: bool },
    Other(NoText),
}

impl<T> Pages<T> {
    /// The whole list; of one that goes on nobody knows what is not in it.
    pub fn whole(self) -> Fact<Vec<T>> {
        match (self.items, self.goes_on) {
            (Fact::Known(_), Some(why)) => Fact::Unreadable(why),
            (items, _) => items,
        }
    }

    /// The one that is meant; absent when the whole list was read and has none.
    pub fn only(self, is_meant: impl Fn(&T) -> bool) -> Fact<T> {
        let found = match self.items {
            Fact::Known(items) => items.into_iter().find(is_meant),
            Fact::Absent => return Fact::Absent,
            Fact::Unreadable(why) => return Fact::Unreadable(why),
            Fact::NotGathered => return Fact::NotGathered,
        };
        match (found, self.goes_on) {
            (Some(item), _) => Fact::Known(item),
            (None, Some(why)) => Fact::Unreadable(why),
            (None, None) => Fact::Absent,
        }
    }
}

impl Folder {
    /// Every page of a call: `CALL.json`, `CALL.2.json`, `CALL.3.json` and so on, of this world or else of the one below.
    pub fn pages<L: Listing>(&self, call: &str) -> Pages<L::Item> {
        let names = self.names_of_pages(call);
        let mut pages = Pages { items: Fact::NotGathered, goes_on: None };
        for name in names {
            match self.page::<L>(&name) {
                Ok(Page::Items { items, goes_on }) => {
                    pages.goes_on = goes_on.then(|| {
                        Why::new(format!("{name} is not the last page: add the next ones as {call}.2.json and so on"))
                    });
                    pages.items = match pages.items {
                        Fact::Known(mut before) => {
                            before.extend(items);
                            Fact::Known(before)
                        }
                        _ => Fact::Known(items),
                    };
                }
                Ok(Page::Other(why)) => return Pages { items: why.into_fact(), goes_on: None },
                Err(error) => return Pages { items: self.costs_its_own(Err(error)), goes_on: None },
            }
        }
        pages
    }

    fn page<L: Listing>(&self, name: &str) -> Result<Page<L::Item>, WorldError> {
        let text = match self.document(name)? {
            Document::Text(text) => text,
            Document::Other(why) => return Ok(Page::Other(why)),
        };
        if text.begins_with(b'[') {
            return Ok(Page::Items { items: listing::of_bare::<L>(&text)?, goes_on: false });
        }
        let PageEnd { next_token } = text.parse()?;
        let goes_on = next_token.is_some_and(|token| !token.is_empty());
        match text.parse::<L>()?.items() {
            Some(items) => Ok(Page::Items { items, goes_on }),
            None => match listing::of_bare::<L>(&text) {
                Ok(items) => Ok(Page::Items { items, goes_on: false }),
                Err(_) => Err(shape(text.path, format!("there is no list `{}` in it", L::KEY))),
            },
        }
    }

    fn names_of_pages(&self, call: &str) -> Vec<String> {
        let number = |name: &str| -> Option<u32> {
            let rest = name.strip_prefix(call)?.strip_suffix(".json")?;
            match rest.strip_prefix('.') {
                Some(number) => number.parse().ok().filter(|number| *number > 0 && !rest.starts_with(".0")),
                None => rest.is_empty().then_some(1),
            }
        };
        for folder in std::iter::once(&self.own).chain(&self.base) {
            let Ok(entries) = fs::read_dir(folder.join("aws")) else { continue };
            let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            let mut pages: Vec<(u32, String)> =
                names.filter_map(|name| Some((number(&name)?, format!("aws/{name}")))).collect();
            if !pages.is_empty() {
                pages.sort_unstable();
                return pages.into_iter().map(|(_, name)| name).collect();
            }
        }
        Vec::new()
    }
}
