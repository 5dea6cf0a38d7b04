//! What the compiler says about an actor; `TRYBUILD=overwrite` writes the `.stderr` files anew, to be read before they
//! are committed.

#[test]
fn the_compiler_says_what_to_do() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass_*.rs");
    cases.compile_fail("tests/ui/fail_*.rs");
}
