//! A long command over several lines, so that it can still be pasted.

/// `command` in lines of at most `width` columns where its options allow, each but the last ending in ` \`.
pub fn wrap(command: &str, width: usize) -> Vec<String> {
    if columns(command) <= width {
        return vec![command.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for group in groups(command) {
        // Room for ` \` at the end and two columns of indent from the second line on.
        let indent = if lines.is_empty() { 0 } else { 2 };
        if !line.is_empty() && indent + columns(&line) + 1 + columns(&group) + 2 > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&group);
    }
    lines.push(line);
    let last = lines.len() - 1;
    let lay = |(index, line): (usize, String)| {
        let indent = if index == 0 { "" } else { "  " };
        let end = if index == last { "" } else { " \\" };
        format!("{indent}{line}{end}")
    };
    lines.into_iter().enumerate().map(lay).collect()
}

/// The words up to the first option, then each option with its values; `&&` begins a group too.
fn groups(command: &str) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    for word in words(command) {
        match groups.last_mut() {
            Some(group) if !word.starts_with('-') && word != "&&" => {
                group.push(' ');
                group.push_str(&word);
            }
            _ => groups.push(word),
        }
    }
    groups
}

/// Split at spaces outside quotes; the quotes stay.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    let mut is_escaped = false;
    for character in command.chars() {
        match (quote, character) {
            (None, ' ') if !is_escaped => {
                words.push(String::new());
                continue;
            }
            (None, '\'' | '"') if !is_escaped => quote = Some(character),
            (Some(open), _) if open == character && !is_escaped => quote = None,
            _ => {}
        }
        // In single quotes a backslash is itself.
        is_escaped = character == '\\' && !is_escaped && quote != Some('\'');
        if let Some(word) = words.last_mut() {
            word.push(character);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_command_stays_on_one_line() {
        assert_eq!(wrap("aws ec2 x --a b", 20), ["aws ec2 x --a b"]);
    }

    #[test]
    fn a_long_command_is_cut_before_an_option_and_never_within_quotes() {
        let command = "aws ec2 do-it --region eu-west-1 --description 'a -b --c' --cidr 203.0.113.7/32 && next";
        let lines = wrap(command, 40);
        assert_eq!(
            lines,
            ["aws ec2 do-it --region eu-west-1 \\", "  --description 'a -b --c' \\", "  --cidr 203.0.113.7/32 && next"]
        );
        let pasted: String = lines.join("\n").replace(" \\\n ", "");
        assert_eq!(pasted, command);
    }
}
