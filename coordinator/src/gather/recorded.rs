//! A world: a folder of recorded facts, `os.json` and `aws/*.json` as the AWS CLI prints them.
