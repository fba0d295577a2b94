//! Values whose usual words the help, the man page and completions offer, and that their own type reads.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command, Error};
use eic_doctor_proto::Via;

use crate::render::{Format, Output};

/// Offers `words`; whether a value is one is for `parser` to say, which may take others too.
#[derive(Clone)]
pub(super) struct Offered<P> {
    words: Vec<&'static str>,
    parser: P,
}

/// `--via`.
pub(super) fn via() -> impl TypedValueParser<Value = Via> {
    let words = [Via::Auto, Via::Browser, Via::Public, Via::Private, Via::Endpoint].map(Via::word).to_vec();
    Offered { words, parser: |text: &str| text.parse::<Via>() }
}

/// `--output`.
pub(super) fn output() -> impl TypedValueParser<Value = Output> {
    Offered { words: Format::ALL.map(|(name, _)| name).to_vec(), parser: |text: &str| text.parse::<Output>() }
}

impl<P: TypedValueParser> TypedValueParser for Offered<P> {
    type Value = P::Value;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<P::Value, Error> {
        self.parser.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.words.iter().map(PossibleValue::new)))
    }
}
