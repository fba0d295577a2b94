//! How sshd cuts a line into words (OpenSSH `misc.c`: `strdelim`, and since 8.7 `argv_split`).

const WHITE_SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// Takes the next word off `rest`: up to white space or one `=`, or in double quotes. `None` at the end, and for a quote that is never
/// closed.
pub fn next_word(rest: &mut Option<String>) -> Option<String> {
    next(rest, true)
}

fn next(rest: &mut Option<String>, ends_at_equals: bool) -> Option<String> {
    let text = rest.take()?;
    let is_border = |c: char| WHITE_SPACE.contains(&c) || c == '"' || (ends_at_equals && c == '=');
    let Some(at) = text.find(is_border) else {
        return Some(text);
    };
    let (word, behind) = text.split_at_checked(at)?;
    let mut characters = behind.chars();
    let border = characters.next();
    let behind = characters.as_str();
    if border == Some('"') {
        // What stands before the quote belongs to the word.
        let (quoted, behind) = behind.split_once('"')?;
        *rest = Some(behind.trim_start_matches(WHITE_SPACE).to_owned());
        return Some(format!("{word}{quoted}"));
    }
    let mut behind = behind.trim_start_matches(WHITE_SPACE);
    if ends_at_equals
        && border != Some('=')
        && let Some(after) = behind.strip_prefix('=')
    {
        behind = after.trim_start_matches(WHITE_SPACE);
    }
    *rest = Some(behind.to_owned());
    Some(word.to_owned())
}

/// The arguments of a line before OpenSSH 8.7: `None` for a quote that is never closed.
pub fn split_old(text: &str, ends_at_equals: bool) -> Option<Vec<String>> {
    let mut rest = Some(text.trim_start_matches(WHITE_SPACE).to_owned());
    let mut words = Vec::new();
    while rest.is_some() {
        match next(&mut rest, ends_at_equals) {
            Some(word) if !word.is_empty() => words.push(word),
            Some(_) => break,
            None => return None,
        }
    }
    Some(words)
}

/// The arguments of a line, with quotes of both kinds and backslashes before quotes, backslashes and spaces; a `#` that begins a word
/// ends the line where `ends_at_comment`. `None` for a quote that is never closed.
pub fn split(text: &str, ends_at_comment: bool) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut characters = text.chars().peekable();
    loop {
        while characters.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        match characters.peek() {
            None => return Some(words),
            Some('#') if ends_at_comment => return Some(words),
            Some(_) => {}
        }
        let mut word = String::new();
        let mut quote: Option<char> = None;
        while let Some(character) = characters.next() {
            match (quote, character) {
                (_, '\\') => {
                    match characters.next_if(|c| matches!(c, '\'' | '"' | '\\') || (quote.is_none() && *c == ' ')) {
                        Some(escaped) => word.push(escaped),
                        None => word.push('\\'),
                    }
                }
                (None, ' ' | '\t') => break,
                (None, '"' | '\'') => quote = Some(character),
                (Some(open), _) if character == open => quote = None,
                _ => word.push(character),
            }
        }
        if quote.is_some() {
            return None;
        }
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut rest = Some(text.to_owned());
        std::iter::from_fn(|| next_word(&mut rest)).collect()
    }

    #[test]
    fn a_keyword_ends_at_white_space_or_one_equals_sign() {
        assert_eq!(words("Port=22"), ["Port", "22"]);
        assert_eq!(words("Port = 22"), ["Port", "22"]);
        assert_eq!(words("Port\t22 "), ["Port", "22", ""]);
        assert_eq!(words("Port==22"), ["Port", "", "22"]);
        assert_eq!(words("\"Port\" 22"), ["Port", "22"]);
        assert_eq!(words("Banner \"/a b\"x"), ["Banner", "/a b", "x"]);
        assert_eq!(words("Banner \"/a b"), ["Banner"]);
    }

    #[test]
    fn newer_versions_know_both_quotes_escapes_and_comments() {
        let split = |text| split(text, true);
        assert_eq!(split(r#" a "b c" 'd "e' f\ g # h"#).unwrap(), ["a", "b c", "d \"e", "f g"]);
        assert_eq!(split(r#"a\"b c\d x"y z"w"#).unwrap(), ["a\"b", r"c\d", "xy zw"]);
        assert_eq!(split("it's"), None);
        assert_eq!(split("a#b").unwrap(), ["a#b"]);
        assert_eq!(super::split("a # b", false).unwrap(), ["a", "#", "b"]);
        assert_eq!(split_old("a=b \"c d\" #", true).unwrap(), ["a", "b", "c d", "#"]);
        assert_eq!(split_old("\"a", true), None);
    }
}
