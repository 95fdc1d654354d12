//! How a text becomes the words that are searched for.
//!
//! Words end where Unicode says (UAX #29) and are compared in lower case. Scripts without spaces between words (Chinese,
//! Japanese, Korean syllables, Thai) are taken letter by letter and pair by pair, so that a part of a sentence is found.

use unicode_segmentation::UnicodeSegmentation;

/// Most words of one text that are indexed.
const WORDS_MAX: usize = 4_096;
/// Longest word, in characters; the rest of a longer one is left out.
const WORD_LEN_MAX: usize = 64;

/// The words of a text as the index keeps them.
pub(super) fn indexed(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for piece in pieces(text) {
        match piece {
            Piece::Word(word) => words.push(word),
            Piece::Run(letters) => {
                words.extend(letters.iter().map(ToString::to_string));
                words.extend(pairs(&letters));
            }
        }
    }
    words.truncate(WORDS_MAX);
    words
}

/// The words that a query asks for: all but the last must be there, and something that begins with the last. The last
/// is absent where it is whole by nature.
pub(super) fn asked(query: &str) -> (Vec<String>, Option<String>) {
    let mut words = Vec::new();
    let mut last = None;
    for piece in pieces(query) {
        words.extend(last.take());
        match piece {
            Piece::Word(word) => last = Some(word),
            Piece::Run(letters) if letters.len() == 1 => {
                words.extend(letters.iter().map(ToString::to_string));
            }
            Piece::Run(letters) => words.extend(pairs(&letters)),
        }
    }
    // Behind a space a word is whole.
    if query.ends_with(char::is_whitespace) {
        words.extend(last.take());
    }
    words.truncate(WORDS_MAX);
    (words, last)
}

enum Piece {
    Word(String),
    /// Letters of a script without spaces.
    Run(Vec<char>),
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for word in text.unicode_words() {
        let mut plain = String::new();
        let mut run = Vec::new();
        for letter in word.chars().take(WORD_LEN_MAX).flat_map(char::to_lowercase) {
            if is_dense(letter) {
                if !plain.is_empty() {
                    pieces.push(Piece::Word(std::mem::take(&mut plain)));
                }
                run.push(letter);
            } else {
                close(&mut pieces, &mut run);
                plain.push(letter);
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Word(plain));
        }
        // Neighbouring letters are words of their own to Unicode: they go on with the run before.
        if !run.is_empty() {
            match pieces.last_mut() {
                Some(Piece::Run(before)) if touches(text, word) => before.append(&mut run),
                _ => close(&mut pieces, &mut run),
            }
        }
    }
    pieces
}

fn close(pieces: &mut Vec<Piece>, run: &mut Vec<char>) {
    if !run.is_empty() {
        pieces.push(Piece::Run(std::mem::take(run)));
    }
}

/// Whether a word follows a letter without anything between them.
fn touches(text: &str, word: &str) -> bool {
    let start = word.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    let before = text
        .get(..start)
        .and_then(|before| before.chars().next_back());
    before.is_some_and(is_dense)
}

fn pairs(letters: &[char]) -> impl Iterator<Item = String> + '_ {
    letters.windows(2).map(|pair| pair.iter().collect())
}

/// Letters of scripts without spaces between words. Source: the blocks of the Unicode standard.
const fn is_dense(letter: char) -> bool {
    matches!(letter,
        '\u{0E00}'..='\u{0EFF}'      // Thai, Lao
        | '\u{1000}'..='\u{109F}'    // Myanmar
        | '\u{1780}'..='\u{17FF}'    // Khmer
        | '\u{3040}'..='\u{30FF}'    // Hiragana, Katakana
        | '\u{3400}'..='\u{4DBF}'    // Han
        | '\u{4E00}'..='\u{9FFF}'
        | '\u{AC00}'..='\u{D7AF}'    // Hangul
        | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_any_case_and_script() {
        assert_eq!(indexed("Grüße, WELT! don't"), ["grüße", "welt", "don't"]);
        assert_eq!(indexed("Привет Мир"), ["привет", "мир"]);
        assert_eq!(
            indexed("東京都 A1"),
            ["東", "京", "都", "東京", "京都", "a1"]
        );
        assert!(indexed("!!! 🎉").is_empty());
        assert_eq!(indexed(&"word ".repeat(10_000)).len(), WORDS_MAX);
    }

    #[test]
    fn the_last_word_of_a_query_may_go_on() {
        let (words, last) = asked("Hello wor");
        assert_eq!(
            (words, last.as_deref()),
            (vec!["hello".to_owned()], Some("wor"))
        );
        assert_eq!(asked("hello "), (vec!["hello".to_owned()], None));
        assert_eq!(asked("京都"), (vec!["京都".to_owned()], None));
        assert_eq!(asked("京"), (vec!["京".to_owned()], None));
        assert_eq!(asked("?!"), (vec![], None));
    }
}
