//! What a page says of itself, for the preview of its link.
//!
//! Owns how a page is read. Fetching is the media store's work, behind the egress guard.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use html5gum::{Token, Tokenizer};
use switchboard_vocab::content::PreviewBody;
use switchboard_vocab::media::MediaSource;
use url::Url;

use super::files::{first_link, small_picture};
use crate::session::context::SessionCx;

/// Longest wait for a page, and again for its picture.
const PAGE_WAIT_MAX: Duration = Duration::from_secs(5);
/// How much of a page is read, in bytes: what it says of itself stands at its beginning.
const PAGE_BYTES_MAX: usize = 512 * 1024;
/// Longest headline and description, in characters; the rest is left out.
const TEXT_LEN_MAX: usize = 300;
/// Most parts of a page that are looked at.
const TOKENS_MAX: usize = 20_000;

/// The preview of the first link in a text; nothing when there is none, or its page says nothing.
pub(super) async fn of_page(text: &str, cx: &SessionCx) -> Option<PreviewBody> {
    let link = first_link(text)?;
    let media = &cx.ports().media;
    let page = tokio::time::timeout(PAGE_WAIT_MAX, media.page(link, PAGE_BYTES_MAX)).await;
    let page = match page {
        Ok(Ok(page)) => page,
        Ok(Err(error)) => {
            tracing::debug!(session = %cx.scope().session, why = error.public, "a link goes without a preview");
            return None;
        }
        Err(_) => return None,
    };
    let said = read(&page);
    let title = said.title?;
    let base = Url::parse(link).ok()?;
    let picture = said.image.and_then(|image| base.join(&image).ok());
    let thumbnail = match picture {
        Some(picture) => {
            let source = MediaSource::Url(picture.to_string());
            let small = tokio::time::timeout(PAGE_WAIT_MAX, small_picture(&source, cx)).await;
            small.ok().and_then(Result::ok)
        }
        None => None,
    };
    Some(PreviewBody {
        link: link.to_owned(),
        title: Some(title),
        description: said.description,
        canonical: said
            .canonical
            .and_then(|canonical| base.join(&canonical).ok())
            .map(Into::into),
        thumbnail: thumbnail.map(|bytes| STANDARD.encode(bytes)),
    })
}

/// What a page says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    title: Option<String>,
    description: Option<String>,
    image: Option<String>,
    canonical: Option<String>,
}

/// Reads `og:` properties first, plain elements where they are missing. Source: the Open Graph protocol.
fn read(page: &[u8]) -> Said {
    let mut said = Said::default();
    let (mut title, mut description) = (None, None);
    let mut in_title = false;
    let Ok(text) = std::str::from_utf8(valid(page)) else {
        return said;
    };
    for token in Tokenizer::new(text).take(TOKENS_MAX) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => {
                let name = tag.name.as_slice();
                in_title = name == b"title" && title.is_none();
                let attribute = |wanted: &[u8]| {
                    let mut found = tag
                        .attributes
                        .iter()
                        .filter(|(key, _)| key.as_slice() == wanted);
                    found
                        .next()
                        .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
                };
                if name == b"meta" {
                    let key = attribute(b"property").or_else(|| attribute(b"name"));
                    let place = match key.as_deref() {
                        Some("og:title") => &mut said.title,
                        Some("og:description") => &mut said.description,
                        Some("og:image") => &mut said.image,
                        Some("og:url") => &mut said.canonical,
                        Some("description") => &mut description,
                        _ => continue,
                    };
                    if place.is_none() {
                        *place = attribute(b"content").as_deref().and_then(tidy);
                    }
                }
                if name == b"body" {
                    break;
                }
            }
            Token::String(words) if in_title => title = tidy(&String::from_utf8_lossy(&words)),
            Token::EndTag(_) => in_title = false,
            Token::String(_) | Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    said.title = said.title.or(title);
    said.description = said.description.or(description);
    said
}

/// The beginning of the page that is text: it may have been cut inside a letter.
fn valid(page: &[u8]) -> &[u8] {
    match std::str::from_utf8(page) {
        Ok(_) => page,
        Err(error) => page.get(..error.valid_up_to()).unwrap_or_default(),
    }
}

/// One line without a beginning or an end of nothing.
fn tidy(text: &str) -> Option<String> {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().take(TEXT_LEN_MAX).collect();
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_by_its_properties_then_by_its_elements() {
        let page = br#"<!doctype html><html><head><title> A
            page &amp; more </title>
            <meta name="description" content="plain words">
            <meta property="og:title" content="The headline"/>
            <meta property="og:image" content="/a.jpg"></head>
            <body><title>not this</title><meta property="og:url" content="x"></body>"#;
        let said = read(page);
        assert_eq!(said.title.as_deref(), Some("The headline"));
        assert_eq!(said.description.as_deref(), Some("plain words"));
        assert_eq!(said.image.as_deref(), Some("/a.jpg"));
        assert_eq!(said.canonical, None);
        let plain = read(b"<title> A\n page &amp; more </title>");
        assert_eq!(plain.title.as_deref(), Some("A page & more"));
        assert_eq!(read(b"\xff\xfe no page"), Said::default());
        assert_eq!(read(b"{\"json\": true}"), Said::default());
    }

    #[test]
    fn the_first_link_of_a_text_is_found() {
        let text = "see (https://example.com/a?b=c), or http://other.test.";
        assert_eq!(first_link(text), Some("https://example.com/a?b=c"));
        assert_eq!(first_link("http:// and ftp://a.test"), None);
    }
}
