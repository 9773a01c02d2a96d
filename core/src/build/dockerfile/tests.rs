//! Dockerfiles as text against what is read of them.

use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Dockerfile {
    Dockerfile::parse(text).unwrap_or_else(|mistake| panic!("{text}: {mistake:?}"))
}

fn only(text: &str) -> Instruction {
    let mut dockerfile = parsed(&format!("FROM x\n{text}\n"));
    let steps = &mut dockerfile.stages[0].steps;
    assert_eq!(steps.len(), 1, "{text}");
    steps.remove(0).instruction
}

#[test]
fn lines_are_put_together_as_the_reference_says() {
    let dockerfile = parsed(
        "# a comment\n\nARG V=1\nfrom x:$V As Build\nRUN a \\\n  # not this\n\n  b \\  \n\tc\nrun d\\\\\nRUN [\"e\", \"f\"]",
    );
    assert_eq!(dockerfile.globals.len(), 1);
    let stage = &dockerfile.stages[0];
    assert_eq!((stage.image.as_str(), stage.name.as_str()), ("x:$V", "build"));
    let commands: Vec<&Command> = stage
        .steps
        .iter()
        .map(|step| match &step.instruction {
            Instruction::Run(run) => &run.command,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        commands,
        [
            &Command::Shell("a   b \tc".into()),
            &Command::Shell("d\\\\".into()),
            &Command::Exec(vec!["e".into(), "f".into()])
        ]
    );
    assert_eq!(stage.steps[0].location, Location { first: 5, last: 9 });
    assert_eq!(stage.steps[0].text, "RUN a b c");
}

#[test]
fn directives_count_only_at_the_top() {
    let windows = parsed("# escape=`\n# syntax=docker/dockerfile:1\nFROM x\nRUN a `\n  C:\\b\n");
    assert_eq!(windows.escape, '`');
    assert_eq!(windows.stages[0].steps[0].text, "RUN a C:\\b");
    assert_eq!(parsed("# hello\n# escape=`\nFROM x").escape, '\\');
    assert_eq!(parsed("\n# escape=`\nFROM x").escape, '\\');
    assert_eq!(parsed("#escape = ` \nFROM x").escape, '`');
}

#[test]
fn here_documents_end_with_their_word() {
    let Instruction::Run(run) = only("RUN <<EOF\na\n  # b\nEOF") else { panic!() };
    assert_eq!(run.command, Command::Shell("<<EOF".into()));
    assert_eq!(run.heredocs[0].content, "a\n  # b\n");
    assert!(run.heredocs[0].expand);

    let Instruction::Run(run) = only("RUN python3 <<-'E 1' 3<<two && x\n\t\ta $b\n\tE 1\ntwo")
    else {
        panic!()
    };
    assert_eq!(run.heredocs[0].content, "a $b\n");
    assert_eq!((run.heredocs[0].name.as_str(), run.heredocs[0].expand), ("E 1", false));
    assert_eq!(run.heredocs[1].descriptor, Some(3));

    let Instruction::Copy(copy) = only("COPY <<a <<b c /d/\n1\na\n2\nb") else { panic!() };
    assert!(matches!(&copy.sources[0], Source::Heredoc(h) if h.content == "1\n"));
    assert!(matches!(&copy.sources[1], Source::Heredoc(h) if h.name == "b"));
    assert_eq!(copy.sources[2], Source::Path("c".into()));

    // A shell's own redirections and arithmetic are left alone.
    let Instruction::Run(run) = only("RUN cat <<< x; echo $((1<<2))") else { panic!() };
    assert!(run.heredocs.is_empty());
}

#[test]
fn flags_stand_between_the_name_and_the_arguments() {
    let Instruction::Copy(copy) = only(
        "COPY --from=0 --chown=a:b --chmod=u+x --link --exclude=*.o --exclude=\"a b\" [\"x y\", \"/z\"]",
    ) else {
        panic!()
    };
    assert_eq!(
        copy,
        Copy {
            sources: vec![Source::Path("x y".into())],
            destination: "/z".into(),
            from: "0".into(),
            chown: "a:b".into(),
            chmod: "u+x".into(),
            link: true,
            exclude: vec!["*.o".into(), "a b".into()],
            ..Copy::default()
        }
    );
    let Instruction::Run(run) =
        only("RUN --mount=type=cache,dst=/c,ro --network=none --mount=type=secret,id=s a --b")
    else {
        panic!()
    };
    assert_eq!(run.command, Command::Shell("a --b".into()));
    assert_eq!(run.network, "none");
    assert_eq!(run.mounts[0].kind, MountKind::Cache);
    assert_eq!(
        run.mounts[0].options,
        [("target".into(), "/c".into()), ("readonly".into(), "true".into())]
    );
}

#[test]
fn both_forms_of_pairs() {
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(only("ENV A b  c"), Instruction::Env(vec![pair("A", "b  c")]));
    assert_eq!(
        only("ENV A=1 B=\"x y\" C=d\\ e"),
        Instruction::Env(vec![pair("A", "1"), pair("B", "\"x y\""), pair("C", "d\\ e")])
    );
    assert_eq!(
        only("ARG A B=2 C="),
        Instruction::Arg(vec![
            ("A".into(), None),
            ("B".into(), Some("2".into())),
            ("C".into(), Some(String::new()))
        ])
    );
}

#[test]
fn stages_are_found_by_name_and_number() {
    let dockerfile = parsed("FROM a AS x\nFROM b\nFROM x\n");
    assert_eq!(dockerfile.stage("X", 2), Some(0));
    assert_eq!(dockerfile.stage("1", 2), Some(1));
    assert_eq!(dockerfile.stage("2", 2), None);
    assert_eq!(dockerfile.stage("", 2), None);
}

#[test]
fn mistakes_are_told_with_their_line_and_a_hint() {
    for (text, line, why) in [
        ("", 1, "file with no instructions"),
        ("# nothing\n", 1, "file with no instructions"),
        ("ARG A", 1, "no stages to build"),
        ("RUN x", 1, "no build stage in current context"),
        ("FROM x\n\nFORM y", 3, "unknown instruction: FORM (did you mean FROM?)"),
        ("FROM x\nCPOY a b", 2, "(did you mean COPY?)"),
        ("FROM x\nXYZZY", 2, "unknown instruction: XYZZY"),
        ("FROM", 1, "FROM requires either one or three arguments"),
        ("FROM x AS", 1, "FROM requires either one or three arguments"),
        ("FROM x AS 1a", 1, "invalid name for build stage"),
        ("FROM x\nRUN", 2, "RUN requires at least one argument"),
        ("FROM x\nCOPY a", 2, "COPY requires at least two arguments"),
        ("FROM x\nCOPY --form=a b c", 2, "unknown flag: --form (did you mean --from?)"),
        ("FROM x\nADD --from=a b c", 2, "unknown flag: --from"),
        ("FROM x\nCOPY --from b c", 2, "Missing a value on flag: from"),
        ("FROM x\nCOPY --from=a --from=b b c", 2, "Duplicate flag specified: --from"),
        ("FROM x\nCOPY --link=maybe b c", 2, "Expecting boolean value for flag link"),
        ("FROM x\nENV A", 2, "ENV must have two arguments"),
        ("FROM x\nENV A=1 B", 2, "can't find = in"),
        ("FROM x\nLABEL =1", 2, "LABEL names can not be blank"),
        ("FROM x\nSHELL sh", 2, "SHELL requires the arguments to be in JSON form"),
        ("FROM x\nVOLUME [\"\"]", 2, "VOLUME specified can not be an empty string"),
        ("FROM x\nONBUILD FROM y", 2, "isn't allowed as an ONBUILD trigger"),
        ("FROM x\nONBUILD ONBUILD RUN y", 2, "Chaining ONBUILD"),
        ("FROM x\nONBUILD RNU y", 2, "unknown instruction: RNU"),
        ("FROM x\nHEALTHCHECK CMD", 2, "Missing command after HEALTHCHECK CMD"),
        ("FROM x\nHEALTHCHECK --interva=1s CMD x", 2, "(did you mean --interval?)"),
        ("FROM x\nRUN --network=mars x", 2, "invalid network mode"),
        ("FROM x\nRUN --security=insecure x", 2, "not allowed"),
        ("FROM x\nRUN --mount=type=cash x", 2, "unsupported mount type \"cash\""),
        ("FROM x\nRUN --mount=type=cache,taget=/a x", 2, "(did you mean target?)"),
        ("FROM x\nRUN <<EOF\na\n", 2, "unterminated heredoc"),
        ("# escape=x\nFROM x", 1, "invalid ESCAPE 'x'"),
        ("# escape=`\n# escape=`\nFROM x", 2, "only one escape parser directive"),
    ] {
        let mistake = Dockerfile::parse(text).expect_err(text);
        assert!(mistake.message.contains(why), "{text}: {}", mistake.message);
        assert_eq!(mistake.location.first, line, "{text}");
    }
    let many = "FROM x\n".to_owned() + &"RUN x\n".repeat(30_000);
    assert!(Dockerfile::parse(&many).unwrap_err().message.contains("more than"));
}

#[test]
fn an_excerpt_shows_the_place() {
    let dockerfile = parsed("FROM x\nRUN a\nRUN b \\\n c\nRUN d\nRUN e\n");
    let location = dockerfile.stages[0].steps[1].location;
    assert_eq!(
        dockerfile.excerpt("Dockerfile", location),
        "Dockerfile:3\n--------------------\n   1 |     FROM x\n   2 |     RUN a\n   3 | >>> RUN b \\\n   4 | >>>  c\n   5 |     RUN d\n   6 |     RUN e\n--------------------\n"
    );
}

#[test]
fn what_is_probably_not_meant_is_told() {
    for (text, rules) in [
        ("FROM x\nCMD [\"a\"]\n", vec![]),
        ("FROM x\nCMD a\n", vec!["JSONArgsRecommended"]),
        ("FROM x\nSHELL [\"sh\"]\nCMD a\n", vec![]),
        ("FROM x\nCMD [\"a\"]\nCMD [\"b\"]\n", vec!["MultipleInstructionsDisallowed"]),
        ("FROM x\nrun a\n", vec!["ConsistentInstructionCasing"]),
        ("FROM x as a\n", vec!["FromAsCasing"]),
        ("FROM x AS A\n", vec!["StageNameCasing"]),
        ("FROM x AS a\nFROM y AS a\n", vec!["DuplicateStageName"]),
        ("FROM $B\n", vec!["UndefinedArgInFrom"]),
        ("FROM ${B:-x}\n", vec![]),
        ("FROM x\nMAINTAINER me\n", vec!["MaintainerDeprecated"]),
        ("FROM x\nWORKDIR a\n", vec!["WorkdirRelativePath"]),
        ("FROM x\nWORKDIR /a\nWORKDIR b\n", vec![]),
        ("FROM x\nENV A 1\n", vec!["LegacyKeyValueFormat"]),
        ("FROM x\nARG API_TOKEN\n", vec!["SecretsUsedInArgOrEnv"]),
        ("FROM x\nENV PUBLIC_KEY=1\n", vec![]),
        ("FROM x\nRUN a \\\n\n b\n", vec!["NoEmptyContinuation"]),
        ("FROM x\nEXPOSE 80/TCP\n", vec!["ExposeProtoCasing"]),
        ("FROM x\nEXPOSE 127.0.0.1:80:80 5000-5010\n", vec!["ExposeInvalidFormat"]),
        (
            "# check=experimental=all\nFROM x AS a\n# b it is\nARG c=1\n",
            vec!["InvalidDefinitionDescription"],
        ),
        ("# check=experimental=all\nFROM x AS a\n# c it is\nARG c=1\n# b\n\nARG d\n", vec![]),
        ("FROM x AS a\n# b it is\nARG c=1\n", vec![]),
        ("FROM --platform=linux/amd64 x\n", vec!["FromPlatformFlagConstDisallowed"]),
        ("# check=skip=JSONArgsRecommended\nFROM x\nCMD a\n", vec![]),
        ("# check=skip=all\nFROM x\nCMD a\nMAINTAINER b\n", vec![]),
    ] {
        let dockerfile = parsed(text);
        let seen: Vec<String> = dockerfile.warnings.iter().map(|w| w.rule.name()).collect();
        assert_eq!(seen, rules, "{text}");
    }
    assert!(parsed("# check=skip=x;error=true\nFROM x\nCMD a\n").checks.errors);
    assert!(!parsed("# check=error=false\nFROM x\nCMD a\n").checks.errors);
}

proptest! {
    #[test]
    fn reading_never_panics(text in "((FROM|RUN|COPY|ENV|ARG|ONBUILD|HEALTHCHECK|LABEL|# escape=`)? ?[a-z<\"'$\\\\\\[\\]=, -]{0,12}\n){0,6}") {
        let _ = Dockerfile::parse(&text);
    }
}
