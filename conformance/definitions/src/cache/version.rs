//! Which installed version a wish means.

use crate::package::Dependency;
use crate::set::version_order;

/// The installed package that fits best.
pub(super) fn choose<'a>(all: &'a [Dependency], wanted: &Dependency) -> Option<&'a Dependency> {
    let of_name = || all.iter().filter(|each| each.name == wanted.name);
    if let Some(exact) = of_name().find(|each| each.version == wanted.version) {
        return Some(exact);
    }
    let newest = |fits: &dyn Fn(&str) -> bool| {
        let numbered = |each: &&Dependency| each.version.starts_with(|first: char| first.is_ascii_digit());
        let found = || of_name().filter(numbered).filter(|each| fits(&each.version));
        let order = |left: &&Dependency, right: &&Dependency| version_order(Some(&left.version), Some(&right.version));
        found().filter(|each| !each.version.contains('-')).max_by(order).or_else(|| found().max_by(order))
    };
    let wish = wanted.version.as_str();
    let build = wish.split('$').next().unwrap_or(wish);
    match build {
        // A build of today: what was installed under that name, else the newest there is.
        "current" | "dev" => of_name().find(|each| each.version == build).or_else(|| newest(&|_| true)),
        "latest" | "*" | "x" | "" => newest(&|_| true).or_else(|| of_name().next_back()),
        _ => {
            let part = part(wish);
            newest(&|version| {
                let rest = version.strip_prefix(part.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
            })
        }
    }
}

/// The beginning that a version has to have, by `4.0.x`, `4.0.*`, `4.0`, `~4.0.1`, `^4.0.1`.
fn part(wish: &str) -> String {
    let steps: Vec<&str> = wish.trim_start_matches(['^', '~']).split('.').collect();
    let kept = match wish.chars().next() {
        Some('^') => 1,
        Some('~') => 2,
        _ => steps.iter().position(|step| matches!(*step, "x" | "X" | "*")).unwrap_or(steps.len()),
    };
    steps.into_iter().take(kept).collect::<Vec<_>>().join(".")
}
