//! Segments of paths: as rows write them, and as clients send them.

use std::collections::BTreeMap;

/// One segment of a row's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pattern {
    /// This text.
    Literal(String),
    /// A parameter, perhaps with text before and behind it.
    Param {
        /// The text before.
        prefix: String,
        /// Its name.
        name: String,
        /// The text behind.
        suffix: String,
    },
}

impl Pattern {
    /// What the segment gives the parameter; `Some("")` for a literal that matches.
    pub(super) fn value<'s>(&self, segment: &'s str) -> Option<&'s str> {
        match self {
            Self::Literal(text) => (text == segment).then_some(""),
            Self::Param { prefix, suffix, .. } => segment
                .strip_prefix(prefix.as_str())?
                .strip_suffix(suffix.as_str())
                .filter(|value| !value.is_empty()),
        }
    }
}

/// Reads a row's path.
pub(super) fn parse(path: &str) -> Result<Vec<Pattern>, &'static str> {
    let rest = path
        .strip_prefix('/')
        .ok_or("it does not begin with a slash")?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    rest.split('/').map(pattern).collect()
}

fn pattern(text: &str) -> Result<Pattern, &'static str> {
    if text.is_empty() {
        return Err("it has an empty segment");
    }
    let Some((prefix, rest)) = text.split_once('{') else {
        if text.contains('}') {
            return Err("a brace is not opened");
        }
        return Ok(Pattern::Literal(text.to_owned()));
    };
    let (name, suffix) = rest.split_once('}').ok_or("a brace is not closed")?;
    if name.is_empty() || name.starts_with('*') || suffix.contains(['{', '}']) {
        return Err("a segment has one named parameter at most");
    }
    Ok(Pattern::Param {
        prefix: prefix.to_owned(),
        name: name.to_owned(),
        suffix: suffix.to_owned(),
    })
}

/// The segments of a request's path, percent-decoded, empty ones left out.
pub(super) fn segments(path: &str) -> Vec<String> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    parts.map(decode).collect()
}

/// The parameters of a path that matched.
pub(super) fn capture(shape: &[Pattern], parts: &[String]) -> BTreeMap<String, String> {
    let pairs = shape.iter().zip(parts);
    pairs
        .filter_map(|(pattern, part)| match pattern {
            Pattern::Literal(_) => None,
            Pattern::Param { name, .. } => Some((name.clone(), pattern.value(part)?.to_owned())),
        })
        .collect()
}

/// How many leading segments match, counted only while the last of them is not a bare parameter: `/{anything}` says
/// nothing about whose path it is.
pub(super) fn shared(shape: &[Pattern], parts: &[String]) -> usize {
    let mut depth = 0;
    for (at, (pattern, part)) in shape.iter().zip(parts).enumerate() {
        if pattern.value(part).is_none() {
            break;
        }
        let bare = matches!(pattern, Pattern::Param { prefix, suffix, .. } if prefix.is_empty() && suffix.is_empty());
        if !bare {
            depth = at + 1;
        }
    }
    depth
}

/// Percent-decoding. What is not valid stays as it came.
fn decode(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = tail
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|hex| hex::decode(hex).ok())
            .and_then(|decoded| decoded.first().copied());
        if let Some(byte) = escaped {
            bytes.push(byte);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_once() {
        assert_eq!(
            segments("//a%40c.us/%2Fx/%zz/%25/"),
            ["a@c.us", "/x", "%zz", "%"]
        );
        assert_eq!(segments("/%ff"), ["%ff"]);
        assert_eq!(segments("/%"), ["%"]);
    }

    #[test]
    fn only_one_parameter_per_segment() {
        for bad in ["a", "/a//b", "/{}", "/{*rest}", "/{a}{b}", "/a}", "/{a"] {
            assert!(parse(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_prefixed_parameter_needs_a_value() {
        let shape = parse("/instance{id}/status").unwrap();
        assert_eq!(shape[0].value("instance42"), Some("42"));
        assert_eq!(shape[0].value("instance"), None);
        assert_eq!(shape[0].value("other42"), None);
    }
}
