//! What sshd makes of its file, which may include itself.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::connection::Connection;
use eic_doctor_agent::sshd_config::{Asked, CommandLine, Source, Version, evaluate, load};
use eic_doctor_proto::{Attempt, Fact};

struct One<'a>(&'a [u8]);

impl Source for One<'_> {
    fn read(&self, _path: &str) -> Fact<Vec<u8>> {
        Fact::Known(self.0.to_vec())
    }

    fn list(&self, _folder: &str) -> Fact<Vec<String>> {
        Fact::Known(["a", "b", "sshd_config"].map(str::to_owned).to_vec())
    }
}

eic_doctor_fuzz::target!(cost 10, |bytes| {
    let connection = Connection::of(&Attempt::usual(), &Fact::Absent, None);
    let groups = Fact::Known(vec!["ec2-user".to_owned()]);
    let asked = Asked { connection: &connection, groups: &groups, looks_up_names: false };
    for version in [Version(704), Version(902), Version(1000)] {
        let files = load(&One(bytes), "/etc/ssh/sshd_config", version).expect("it is there");
        let evaluated = evaluate(&files, &CommandLine::default(), version, &asked);
        assert!(evaluated.problems.len() <= 60);
    }
});
