//! Who we are, where the server URLs say it.
//!
//! The client library reads user and password out of a URL and does not use them.

use async_nats::{ConnectOptions, ServerAddr};

use crate::nats::Error;

/// User and password, or a token alone. Source: NATS documentation, connecting with a user and password in the URL.
#[derive(Clone, PartialEq, Eq)]
enum Login {
    Password { user: String, password: String },
    Token(String),
}

/// Adds what the URLs say. One is enough, and those that say something must say the same.
pub(super) fn from_urls(
    servers: &[ServerAddr],
    options: ConnectOptions,
) -> Result<ConnectOptions, Error> {
    Ok(match only(servers)? {
        None => options,
        Some(Login::Password { user, password }) => options.user_and_password(user, password),
        Some(Login::Token(token)) => options.token(token),
    })
}

fn only(servers: &[ServerAddr]) -> Result<Option<Login>, Error> {
    let mut found = None;
    for (index, server) in servers.iter().enumerate() {
        let Some(login) = of(server).map_err(|reason| Error::Login { index, reason })? else {
            continue;
        };
        if found.as_ref().is_some_and(|first| *first != login) {
            let reason = "it names another user or password than one before it";
            return Err(Error::Login { index, reason });
        }
        found = Some(login);
    }
    Ok(found)
}

fn of(server: &ServerAddr) -> Result<Option<Login>, &'static str> {
    Ok(match (server.username(), server.password()) {
        (None, None) => None,
        (None, Some(_)) => return Err("it has a password and no user"),
        (Some(token), None) => Some(Login::Token(decoded(token)?)),
        (Some(user), Some(password)) => Some(Login::Password {
            user: decoded(user)?,
            password: decoded(password)?,
        }),
    })
}

/// A part of a URL without its escapes; what only looks like one stays. Source: WHATWG URL, percent-decode.
fn decoded(part: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let escaped = match (first, behind) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| "its user or password is not utf-8")
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(urls: &[&str], expected: Option<(&str, Option<&str>)>) {
        let servers: Vec<ServerAddr> = urls.iter().map(|url| url.parse().unwrap()).collect();
        let found = only(&servers).unwrap();
        let expected = expected.map(|(user, password)| match password {
            Some(password) => Login::Password {
                user: user.to_owned(),
                password: password.to_owned(),
            },
            None => Login::Token(user.to_owned()),
        });
        assert!(found == expected, "{urls:?}");
    }

    fn refusal(urls: &[&str]) -> String {
        let servers: Vec<ServerAddr> = urls.iter().map(|url| url.parse().unwrap()).collect();
        match only(&servers) {
            Ok(_) => panic!("{urls:?} was accepted"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn urls_may_say_who_we_are() {
        check(&["nats://a:4222", "b"], None);
        check(&["nats://u:p@a:4222"], Some(("u", Some("p"))));
        check(
            &["nats://u:p@a", "nats://b", "nats://u:p@c"],
            Some(("u", Some("p"))),
        );
        check(&["tls://secret@a"], Some(("secret", None)));
    }

    #[test]
    fn escapes_are_undone() {
        check(&["nats://u:p%40%2fq@a"], Some(("u", Some("p@/q"))));
        check(&["nats://u:50%@a"], Some(("u", Some("50%"))));
    }

    #[test]
    fn what_cannot_be_a_login_is_refused_without_repeating_it() {
        let two = refusal(&["nats://u:secret@a", "nats://v:secret@b"]);
        assert!(
            two.contains("server 1") && two.contains("another user"),
            "{two}"
        );
        let nobody = refusal(&["nats://:secret@a"]);
        assert!(
            nobody.contains("server 0") && nobody.contains("no user"),
            "{nobody}"
        );
        let bytes = refusal(&["nats://u:secret%ff@a"]);
        assert!(bytes.contains("utf-8"), "{bytes}");
        for text in [two, nobody, bytes] {
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
