//! How single values are read: lists with commas, durations in words, keys that look like numbers.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serializer};

/// One flag as a source of configuration.
#[derive(Debug, Clone)]
pub(super) struct Flag {
    /// The key it sets.
    pub(super) key: &'static str,
    /// Its name on the command line.
    pub(super) flag: &'static str,
    /// Its value.
    pub(super) value: String,
}

impl Provider for Flag {
    fn metadata(&self) -> Metadata {
        let flag = self.flag;
        Metadata::named(format!("flag {flag}")).interpolater(move |_, _| format!("flag {flag}"))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let value = figment::util::nest(self.key, Value::from(self.value.clone()));
        let dict = value.into_dict().unwrap_or_default();
        Ok(Profile::Default.collect(dict))
    }
}

/// Text, also where the source took it for a number or a boolean.
pub(super) fn optional_text<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Scalar {
        Text(String),
        Whole(u64),
        Boolean(bool),
    }
    Ok(
        Option::<Scalar>::deserialize(from)?.map(|scalar| match scalar {
            Scalar::Text(text) => text,
            Scalar::Whole(number) => number.to_string(),
            Scalar::Boolean(value) => value.to_string(),
        }),
    )
}

/// A list, or one text with commas.
pub(super) fn list<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: Display,
{
    struct Items<T>(std::marker::PhantomData<T>);
    impl<'de, T: FromStr> Visitor<'de> for Items<T>
    where
        T::Err: Display,
    {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list, or text with commas")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<T>, E> {
            let words = text
                .split(',')
                .map(str::trim)
                .filter(|word| !word.is_empty());
            words.map(|word| parse(word)).collect()
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut items = Vec::new();
            while let Some(text) = seq.next_element::<String>()? {
                items.push(parse(&text)?);
            }
            Ok(items)
        }
    }
    from.deserialize_any(Items(std::marker::PhantomData))
}

fn parse<T: FromStr, E: Error>(text: &str) -> Result<T, E>
where
    T::Err: Display,
{
    text.parse()
        .map_err(|e| E::custom(format!("{text:?}: {e}")))
}

/// A duration: `10s`, `1m 30s`, `500ms`, or a whole number of seconds.
pub(super) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    optional_duration(from)?.ok_or_else(|| D::Error::custom("expected a duration"))
}

/// The same where none is possible.
pub(super) fn optional_duration<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Duration>, D::Error> {
    let Some(text) = optional_text(from)? else {
        return Ok(None);
    };
    if let Ok(secs) = text.parse() {
        return Ok(Some(Duration::from_secs(secs)));
    }
    humantime::parse_duration(&text).map(Some).map_err(|e| {
        D::Error::custom(format!(
            "{text:?} is not a duration such as 10s or 500ms: {e}"
        ))
    })
}

/// The opposite of [`duration`].
pub(super) fn write_duration<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&humantime::format_duration(*value))
}

/// The opposite of [`optional_duration`].
#[expect(clippy::ref_option, reason = "serde gives a reference to the field")]
pub(super) fn write_optional_duration<S: Serializer>(
    value: &Option<Duration>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => write_duration(value, to),
        None => to.serialize_none(),
    }
}
