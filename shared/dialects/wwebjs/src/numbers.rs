//! Phone numbers as people read them. Source of the rules: the numbering plans in the `phonenumber` crate, which are those
//! WhatsApp's own client uses.

use phonenumber::{Mode, PhoneNumber};

fn read(digits: &str) -> Option<PhoneNumber> {
    phonenumber::parse(None, format!("+{digits}")).ok()
}

/// The number with its country code and the usual gaps; without gaps where no plan knows it.
pub(crate) fn formatted(digits: &str) -> String {
    let number = read(digits).map(|number| number.format().mode(Mode::International).to_string());
    number.unwrap_or_else(|| format!("+{digits}"))
}

/// The calling code of its country; `None` where no plan knows it.
pub(crate) fn country_code(digits: &str) -> Option<String> {
    read(digits).map(|number| number.code().value().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_several_countries() {
        for (digits, shown, code) in [
            ("4915112345678", "+49 1511 2345678", "49"),
            ("12015550123", "+1 201-555-0123", "1"),
            ("5511987654321", "+55 11 98765-4321", "55"),
        ] {
            assert_eq!(formatted(digits), shown);
            assert_eq!(country_code(digits).as_deref(), Some(code));
        }
        assert_eq!(formatted("99999"), "+99999");
        assert_eq!(country_code("99999"), None);
    }
}
