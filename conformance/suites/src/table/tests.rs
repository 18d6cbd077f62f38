use super::{read, toml, yaml};

#[test]
fn yaml_becomes_the_tree_that_json_would_be() {
    let text = "---\n:name: a\n:list:\n- :path: value[x]:q\n  :on: false\n- b\n:empty: []\n:none: {}\n:text: one\n  two\n:num: 1.50\n:q: ''\n";
    assert_eq!(
        yaml(text).unwrap().to_text(),
        r#"{":name":"a",":list":[{":path":"value[x]:q",":on":false},"b"],":empty":[],":none":{},":text":"one two",":num":"1.50",":q":""}"#
    );
}

#[test]
fn refuses_what_could_grow_without_end() {
    assert!(yaml("a: &x [1]\nb: [*x, *x]").unwrap_err().contains("aliases"));
    assert!(yaml(&"[".repeat(200)).is_err());
    assert!(yaml("a: [").is_err());
    assert!(yaml("{[1]: 2}").is_err());
    assert_eq!(yaml("").unwrap().to_text(), "null");
}

#[test]
fn toml_becomes_the_same_tree() {
    let text = "name = \"a\"\nwhen = 2024-01-02\nn = 3\n[[test]]\nx = [1, 2]\n";
    assert_eq!(toml(text).unwrap().to_text(), r#"{"n":3,"name":"a","test":[{"x":[1,2]}],"when":"2024-01-02"}"#);
    let error = toml("a = 1\nb = = 2\n").unwrap_err();
    assert!(error.starts_with("line 2:"), "{error}");
}

#[test]
fn names_the_file_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.toml");
    std::fs::write(&file, "=").unwrap();
    assert!(read(&file).unwrap_err().contains("x.toml"));
    assert!(read(&folder.path().join("none.json")).unwrap_err().contains("none.json"));
}
