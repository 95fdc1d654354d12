//! Media as callers hand it over: links, data URIs, base64.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use bytes::Bytes;
use switchboard_vocab::OpError;
use switchboard_vocab::media::{InlineBytes, MediaSource};

/// Bytes with the type that came with them.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// Where the bytes come from.
    pub source: MediaSource,
    /// The declared media type.
    pub mime_type: Option<String>,
    /// The declared file name (`name=` of a data URI).
    pub file_name: Option<String>,
}

impl Given {
    /// Bytes at hand.
    #[must_use]
    pub const fn bytes(bytes: Bytes, mime_type: Option<String>, file_name: Option<String>) -> Self {
        Self {
            source: MediaSource::Inline(InlineBytes(bytes)),
            mime_type,
            file_name,
        }
    }
}

/// An http(s) link or a data URI.
///
/// # Errors
/// [`switchboard_vocab::ErrorCode::InvalidInput`] when it is neither, or the base64 is damaged.
pub fn link_or_data(text: &str) -> Result<Given, OpError> {
    if text.starts_with("data:") {
        return data_uri(text);
    }
    link(text)
}

/// An http(s) link.
///
/// # Errors
/// [`switchboard_vocab::ErrorCode::InvalidInput`] when it is not one.
pub fn link(text: &str) -> Result<Given, OpError> {
    let url = url::Url::parse(text)
        .map_err(|e| OpError::invalid(format!("the media link is not a valid url: {e}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(OpError::invalid(
            "the media link must be an http or https url",
        ));
    }
    Ok(Given {
        source: MediaSource::Url(text.to_owned()),
        mime_type: None,
        file_name: None,
    })
}

/// A data URI: `data:<type>[;name=<file name>][;base64],<data>`. Source: RFC 2397.
///
/// # Errors
/// [`switchboard_vocab::ErrorCode::InvalidInput`] when it is not one, or the base64 is damaged.
pub fn data_uri(text: &str) -> Result<Given, OpError> {
    let malformed = || OpError::invalid("the media is not a data uri (data:<type>;base64,<data>)");
    let (head, data) = text
        .strip_prefix("data:")
        .and_then(|t| t.split_once(','))
        .ok_or_else(malformed)?;
    let mut words = head.split(';');
    let mime_type = words
        .next()
        .filter(|t| !t.is_empty())
        .map(str::to_ascii_lowercase);
    let mut file_name = None;
    let mut encoded = false;
    for word in words {
        if word.eq_ignore_ascii_case("base64") {
            encoded = true;
        } else if let Some(name) = word.strip_prefix("name=") {
            file_name = Some(name.to_owned());
        }
    }
    if !encoded {
        return Err(malformed());
    }
    Ok(Given::bytes(base64(data)?, mime_type, file_name))
}

/// Base64 in any of the usual alphabets, padded or not, line breaks allowed.
///
/// # Errors
/// [`switchboard_vocab::ErrorCode::InvalidInput`] when it is not base64, or empty.
pub fn base64(text: &str) -> Result<Bytes, OpError> {
    let compact: String;
    let text = if text.contains(char::is_whitespace) {
        compact = text.split_whitespace().collect();
        &compact
    } else {
        text
    };
    let decoded = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD]
        .into_iter()
        .find_map(|alphabet| alphabet.decode(text).ok());
    match decoded {
        Some(bytes) if !bytes.is_empty() => Ok(bytes.into()),
        Some(_) => Err(OpError::invalid("the media is empty")),
        None => Err(OpError::invalid("the media is not valid base64")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_uris_give_type_and_bytes() {
        let given = link_or_data("data:image/png;name=a.png;base64,AAEC").unwrap();
        assert_eq!(
            given,
            Given::bytes(
                Bytes::from_static(&[0, 1, 2]),
                Some("image/png".into()),
                Some("a.png".into())
            )
        );
    }

    #[test]
    fn what_is_neither_link_nor_data_is_refused() {
        for bad in [
            "",
            "x",
            "ftp://a/b",
            "data:image/png,abc",
            "data:image/png;base64,###",
            "data:;base64,",
        ] {
            assert!(link_or_data(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
