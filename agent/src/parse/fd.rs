//! Where a link below `/proc/PID/fd` leads.

/// The inode of `socket:[123]`.
pub fn parse_socket_inode(target: &str) -> Option<u64> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_have_an_inode() {
        assert_eq!(parse_socket_inode("socket:[123]"), Some(123));
        for other in ["pipe:[1]", "/dev/null", "socket:[x]", "socket:[1", ""] {
            assert_eq!(parse_socket_inode(other), None);
        }
    }
}
