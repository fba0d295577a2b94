//! Splitting at white space with quotes and backslashes, as os-release, unit files and `systemctl show` write them.

/// The words of `text`. A quote that is never closed reaches to the end.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            // In single quotes a backslash is itself, as in a POSIX shell.
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(characters.next()),
            (Some(_), _) => word.get_or_insert_default().push(character),
            (None, '"' | '\'') => {
                word.get_or_insert_default();
                quote = Some(character);
            }
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_words_together_and_backslashes_keep_characters() {
        assert_eq!(split(r#"-o "A b %u" 'c\d' e\ f """#), ["-o", "A b %u", r"c\d", "e f", ""]);
        assert_eq!(split("  "), Vec::<String>::new());
        assert_eq!(split("\"never closed"), ["never closed"]);
    }
}
