use super::*;

fn work() -> Work {
    Work::new().expect("a temporary folder")
}

fn input(work: &Work) -> PathBuf {
    let path = work.path().join("it's an input; rm -rf x.hl7");
    std::fs::write(&path, "{\"resourceType\":\"Bundle\"}").expect("writable");
    path
}

#[track_caller]
fn check(command: &str, expect: Result<usize, Failure>) {
    let work = work();
    let command = Command::parse(command).expect("a command");
    let run = command.run(&input(&work), work.path(), Elsewhere::No);
    assert_eq!(run.map(|run| run.outputs.len()), expect);
}

#[test]
fn splits_words_without_a_shell() {
    let words = |text: &str| Command::parse(text).map(|command| command.words);
    assert_eq!(words("a 'b c' \"d\" e''"), Ok(vec!["a".to_owned(), "b c".to_owned(), "d".to_owned(), "e".to_owned()]));
    assert_eq!(words("a 'b"), Err(CommandError::Quotes));
    assert_eq!(words("  "), Err(CommandError::Empty));
}

#[test]
fn puts_paths_in_as_whole_arguments() {
    check("cat {input}", Ok(1));
    check("cp {input} {output}", Ok(1));
    check("cat", Ok(1));
    check("echo {input}", Err(Failure::Broken("wrote no JSON")));
    check("echo ; cat {input}", Err(Failure::Broken("wrote no JSON")));
}

#[test]
fn says_how_a_run_failed() {
    check("false", Err(Failure::Refused("ended with an error, without a reason".to_owned())));
    check("no-such-program-anywhere", Err(Failure::Broken("could not be started")));
}

#[test]
fn ends_what_takes_too_long() {
    let work = work();
    let command = Command { timeout: Duration::from_millis(50), ..Command::parse("sleep 30").expect("a command") };
    let failure = command.run(&input(&work), work.path(), Elsewhere::No).map(|_| ()).expect_err("ended");
    assert_eq!(failure, Failure::Broken("took too long"));
}

#[test]
fn runs_elsewhere_with_another_zone() {
    let work = work();
    let command = Command::parse("sh -c 'echo \"\\\"$TZ $(pwd)\\\"\"'").expect("a command");
    let here = command.run(&input(&work), work.path(), Elsewhere::No).map(|run| run.bytes);
    let there = command.run(&input(&work), work.path(), Elsewhere::Yes).map(|run| run.bytes);
    assert_ne!(here, there);
}
