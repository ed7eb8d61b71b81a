#include "absl/strings/str_cat.h"
#include "daemon/frontend/dockerfile/instruction_parser.h"
#include "daemon/frontend/dockerfile/parser.h"
#include "tests/unit/testing.h"

namespace cairn::dockerfile {
namespace {

using ::cairn::testing::IsOkAndHolds;
using ::cairn::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

StatusOr<Instructions> Parse(string_view text, const Linter& linter = Linter()) {
  ASSIGN_OR_RETURN(const ParsedFile file, ParseFile(text));
  return ParseInstructions(file.nodes, linter);
}

// The body of the only instruction after FROM.
template <typename T>
T ParseOne(string_view line) {
  StatusOr<Instructions> parsed = Parse(absl::StrCat("FROM scratch\n", line));
  EXPECT_OK(parsed) << line;
  return std::get<T>(parsed->stages.at(0).commands.at(0).body);
}

TEST(InstructionTest, ReadsStages) {
  ASSERT_OK_AND_ASSIGN(const Instructions parsed,
                       Parse("# V the version\n"
                             "ARG V=1\n"
                             "FROM --platform=$BUILDPLATFORM a:$V AS Base\n"
                             "RUN x\n"
                             "# out what comes out\n"
                             "from base as out\n"));
  ASSERT_THAT(parsed.global_args, SizeIs(1));
  const auto& arg = std::get<ArgCommand>(parsed.global_args[0].body).args[0];
  EXPECT_EQ(arg.key, "V");
  EXPECT_EQ(arg.value, "1");
  EXPECT_EQ(arg.description, "the version");
  ASSERT_THAT(parsed.stages, SizeIs(2));
  EXPECT_EQ(parsed.stages[0].name, "base");
  EXPECT_EQ(parsed.stages[0].base, "a:$V");
  EXPECT_EQ(parsed.stages[0].platform, "$BUILDPLATFORM");
  EXPECT_EQ(parsed.stages[1].description, "what comes out");
  EXPECT_EQ(parsed.stages[1].keyword, "from");
}

TEST(InstructionTest, ReadsCopyAndAdd) {
  const auto copy = ParseOne<CopyCommand>(
      "COPY --from=b --chown=1:2 --chmod=755 --link --parents --exclude=*.a --exclude=b x y /z/");
  EXPECT_EQ(copy.from, "b");
  EXPECT_EQ(copy.chown, "1:2");
  EXPECT_EQ(copy.chmod, "755");
  EXPECT_TRUE(copy.link);
  EXPECT_TRUE(copy.parents);
  EXPECT_THAT(copy.excludes, ElementsAre("*.a", "b"));
  EXPECT_THAT(copy.sources.paths, ElementsAre("x", "y"));
  EXPECT_EQ(copy.sources.destination, "/z/");

  const auto inline_copy = ParseOne<CopyCommand>("COPY <<-A <<'B' c /d/\n\tx\n\tA\ny\nB");
  ASSERT_THAT(inline_copy.sources.inline_files, SizeIs(2));
  EXPECT_EQ(inline_copy.sources.inline_files[0].data, "x\n");
  EXPECT_FALSE(inline_copy.sources.inline_files[1].expands);
  EXPECT_THAT(inline_copy.sources.paths, ElementsAre("c"));

  const auto add = ParseOne<AddCommand>("ADD --checksum=c --unpack=false --keep-git-dir u d");
  EXPECT_EQ(add.unpack, false);
  EXPECT_EQ(add.keep_git_dir, true);
  EXPECT_EQ(add.checksum, "c");
}

TEST(InstructionTest, ReadsHealthchecks) {
  const auto check = ParseOne<HealthcheckCommand>(
      "HEALTHCHECK --interval=5s --timeout=2m --start-period=1s --start-interval=3s --retries=4 "
      "CMD curl  x");
  EXPECT_THAT(check.test, ElementsAre("CMD-SHELL", "curl  x"));
  EXPECT_EQ(check.interval, absl::Seconds(5));
  EXPECT_EQ(check.start_interval, absl::Seconds(3));
  EXPECT_EQ(check.retries, 4);
  EXPECT_THAT(ParseOne<HealthcheckCommand>("HEALTHCHECK CMD [\"a\", \"b\"]").test,
              ElementsAre("CMD", "a", "b"));
  EXPECT_THAT(ParseOne<HealthcheckCommand>("HEALTHCHECK NONE").test, ElementsAre("NONE"));
}

TEST(InstructionTest, ReadsRun) {
  const auto run = ParseOne<RunCommand>(
      "RUN --mount=type=cache,target=/c --mount=target=/b --network=none --security=insecure "
      "--device=vendor.com/class=a,required make");
  EXPECT_THAT(run.mounts, ElementsAre("type=cache,target=/c", "target=/b"));
  EXPECT_EQ(run.network, "none");
  EXPECT_EQ(run.security, "insecure");
  EXPECT_EQ(run.devices.at(0).name, "vendor.com/class=a");
  EXPECT_TRUE(run.devices.at(0).required);
  EXPECT_THAT(run.line.words, ElementsAre("make"));
  EXPECT_TRUE(run.line.prepend_shell);
  const auto script = ParseOne<RunCommand>("RUN <<EOF\na\nEOF");
  EXPECT_EQ(script.line.files.at(0).data, "a\n");
}

TEST(InstructionTest, ReadsTheRest) {
  EXPECT_THAT(ParseOne<ExposeCommand>("EXPOSE 80 443/tcp 53/udp").ports,
              ElementsAre("443/tcp", "53/udp", "80"));
  EXPECT_THAT(ParseOne<VolumeCommand>("VOLUME [\"/a\", \" /b \"]").volumes,
              ElementsAre("/a", "/b"));
  EXPECT_THAT(ParseOne<ShellCommand>("SHELL [\"sh\", \"-c\"]").shell, ElementsAre("sh", "-c"));
  EXPECT_EQ(ParseOne<WorkdirCommand>("WORKDIR /a b").path, "/a b");
  EXPECT_EQ(ParseOne<UserCommand>("USER u:g").user, "u:g");
  EXPECT_EQ(ParseOne<StopSignalCommand>("STOPSIGNAL 9").signal, "9");
  EXPECT_EQ(ParseOne<MaintainerCommand>("MAINTAINER me <a@b>").name, "me <a@b>");
  EXPECT_TRUE(ParseOne<LabelCommand>("LABEL a b").pairs.at(0).is_legacy);
  EXPECT_EQ(ParseOne<OnbuildCommand>("ONBUILD  run x").expression, "run x");
  EXPECT_EQ(ParseOne<OnbuildCommand>("ONBUILD COPY <<A /b\nx\nA").expression, "COPY <<A /b\nx\nA");
  const auto arg = ParseOne<ArgCommand>("ARG a b= c=d");
  EXPECT_EQ(arg.args[0].value, std::nullopt);
  EXPECT_EQ(arg.args[1].value, "");
}

TEST(InstructionTest, ErrorTexts) {
  struct Case {
    const char* line;
    const char* message;
  };
  for (const Case& test : {
           Case{"FNTRYPOINT x", "unknown instruction: FNTRYPOINT (did you mean ENTRYPOINT?)"},
           {"PLEASE x", "unknown instruction: PLEASE"},
           {"ONBUILD ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"},
           {"ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"},
           {"ONBUILD", "ONBUILD requires at least one argument"},
           {"COPY x",
            "COPY requires at least two arguments, but only one was provided. Destination could "
            "not be determined"},
           {"COPY x <<EOF\nEOF", "COPY cannot accept a heredoc as a destination"},
           {"COPY --frm=x a b", "unknown flag: --frm (did you mean from?)"},
           {"COPY --from=x --from=y a b", "duplicate flag specified: --from"},
           {"COPY --from a b", "missing a value on flag: --from"},
           {"COPY --link= a b", "missing a value on flag: --link"},
           {"COPY --link=yes a b", "expecting boolean value for flag --link, not: yes"},
           {"RUN --mont=target=/x y", "unknown flag: --mont (did you mean mount?)"},
           {"RUN --network=foo x", "invalid network mode \"foo\""},
           {"RUN --security=foo x", "security \"foo\" is not valid"},
           {"RUN --mount=from=$x,target=/y z",
            "'from' doesn't support variable expansion, define alias stage instead"},
           {"ENV =x", "ENV names can not be blank"},
           {"ENV", "ENV requires at least one argument"},
           {"ARG =x", "ARG names can not be blank"},
           {"ARG", "ARG requires at least one argument"},
           {"USER", "USER requires exactly one argument"},
           {"STOPSIGNAL", "STOPSIGNAL requires exactly one argument"},
           {"EXPOSE", "EXPOSE requires at least one argument"},
           {"VOLUME [\" \"]", "VOLUME specified can not be an empty string"},
           {"SHELL x", "SHELL requires the arguments to be in JSON form"},
           {"SHELL []", "SHELL requires at least one argument"},
           {"HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"},
           {"HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"},
           {"HEALTHCHECK FOO x", "Unknown type \"FOO\" in HEALTHCHECK (try CMD)"},
           {"HEALTHCHECK --interval=1us CMD x", "Interval \"interval\" cannot be less than 1ms"},
           {"HEALTHCHECK --retries=-1 CMD x", "--retries cannot be negative (-1)"},
           {"FROM a b", "FROM requires either one or three arguments"},
           {"FROM a AS 1x",
            "invalid name for build stage: \"1x\", name can't start with a number or contain "
            "symbols"},
       }) {
    EXPECT_THAT(Parse(absl::StrCat("FROM scratch\n", test.line)),
                StatusIs(absl::StatusCode::kUnknown,
                         absl::StrCat("dockerfile parse error on line 2: ", test.message)))
        << test.line;
  }
  EXPECT_THAT(Parse("RUN x"),
              StatusIs(absl::StatusCode::kUnknown, "no build stage in current context"));
}

StatusOr<std::string> Keep(string_view text) { return std::string(text); }

TEST(MountTest, ReadsAllKeys) {
  ASSERT_OK_AND_ASSIGN(
      const RunMount cache,
      ParseMount("type=cache,id=x,target=/c,sharing=locked,uid=1,gid=2,mode=0750,from=b,source=/s",
                 Keep));
  EXPECT_EQ(cache.type, MountType::kCache);
  EXPECT_EQ(cache.sharing, CacheSharing::kLocked);
  EXPECT_EQ(cache.mode, 0750u);
  EXPECT_EQ(cache.uid, 1u);
  EXPECT_FALSE(cache.read_only);
  ASSERT_OK_AND_ASSIGN(const RunMount bind, ParseMount("target=/b", Keep));
  EXPECT_TRUE(bind.read_only);
  ASSERT_OK_AND_ASSIGN(const RunMount writable, ParseMount("target=/b,rw", Keep));
  EXPECT_FALSE(writable.read_only);
  ASSERT_OK_AND_ASSIGN(const RunMount secret, ParseMount("type=secret,id=a,required,env=X", Keep));
  EXPECT_TRUE(secret.required);
  EXPECT_EQ(secret.env, "X");
  ASSERT_OK_AND_ASSIGN(const RunMount tmpfs, ParseMount("type=tmpfs,target=/t,size=1k", Keep));
  EXPECT_EQ(tmpfs.size_limit, 1024);
  ASSERT_OK_AND_ASSIGN(const RunMount early, ParseMount("type=$T,from=stage,bogus=1", nullptr));
  EXPECT_EQ(early.from, "stage");
}

TEST(MountTest, ErrorTexts) {
  struct Case {
    const char* mount;
    const char* message;
  };
  for (const Case& test : {
           Case{"typ=cache", "unexpected key 'typ' in 'typ=cache' (did you mean type?)"},
           {"type=nothing", "unsupported mount type \"nothing\""},
           {"type=tmp", "unsupported mount type \"tmp\" (did you mean tmpfs?)"},
           {"type=tmpf", "unsupported mount type \"tmpf\" (did you mean tmpfs?)"},
           {"type=cache,sharing=lockd",
            "unsupported sharing value \"lockd\" (did you mean locked?)"},
           {"required,type=secret", "unexpected key 'required' for mount type 'bind'"},
           {"size=1,type=tmpfs", "unexpected key 'size' for mount type 'bind'"},
           {"type=tmpfs,size=x", "invalid value for size: x"},
           {"ro=maybe", "invalid value for ro: maybe"},
           {"whatever", "invalid field 'whatever' must be a key=value pair"},
           {"mode=0755", "mode not allowed for \"bind\" type mounts"},
           {"type=secret,mode=9", "invalid value 9 for mode"},
           {"type=secret", "invalid secret mount. one of source, target required"},
           {"type=secret,id=a,source=b", "both source and id can't be set"},
           {"type=secret,id=a,from=b", "secret mount should not have a from"},
           {"type=ssh,sharing=shared", "invalid cache sharing set for ssh mount"},
       }) {
    EXPECT_THAT(ParseMount(test.mount, Keep), StatusIs(absl::StatusCode::kUnknown, test.message))
        << test.mount;
  }
  EXPECT_THAT(ParseDevice("a.com/b=c,name=d"),
              StatusIs(absl::StatusCode::kUnknown, "device name already set to a.com/b=c"));
  EXPECT_THAT(ParseMount("\"", Keep),
              StatusIs(absl::StatusCode::kUnknown, HasSubstr("failed to parse csv mounts: ")));
}

TEST(LintTest, ReportsWhatTheParserSees) {
  std::vector<std::string> seen;
  const Linter linter(LintOptions(), [&](const LintWarning& warning) {
    seen.push_back(absl::StrCat(warning.rule->name, ":", warning.location[0].start.line, ":",
                                warning.message));
  });
  ASSERT_OK(Parse("FROM a as Base\nMAINTAINER x\nfrom b AS c", linter));
  EXPECT_THAT(seen, ElementsAre("StageNameCasing:1:Stage name 'Base' should be lowercase",
                                "FromAsCasing:1:'as' and 'FROM' keywords' casing do not match",
                                "MaintainerDeprecated:2:Maintainer instruction is deprecated in "
                                "favor of using label",
                                "FromAsCasing:3:'AS' and 'from' keywords' casing do not match"));
}

TEST(LintTest, OptionsSwitchRulesOff) {
  std::vector<std::string> seen;
  const auto sink = [&](const LintWarning& warning) { seen.push_back(warning.rule->name); };
  ASSERT_OK_AND_ASSIGN(const LintOptions options,
                       LintOptions::Parse("skip=StageNameCasing, FromAsCasing;error=true"));
  const Linter linter(options, sink);
  ASSERT_OK(Parse("FROM a as Base\n# check=skip=MaintainerDeprecated\nMAINTAINER x", linter));
  EXPECT_THAT(seen, ElementsAre());
  EXPECT_OK(linter.Result());
  ASSERT_OK(Parse("FROM a\nMAINTAINER x", linter));
  EXPECT_THAT(linter.Result(), StatusIs(absl::StatusCode::kUnknown,
                                        "lint violation found for rules: MaintainerDeprecated"));
  EXPECT_THAT(LintOptions::Parse("skp=x"),
              StatusIs(absl::StatusCode::kUnknown, "invalid check option \"skp\""));
  EXPECT_THAT(AllLintRules(), SizeIs(22));
}

TEST(LintTest, ExperimentalRulesMustBeAskedFor) {
  int count = 0;
  const auto sink = [&](const LintWarning&) { ++count; };
  const char* text = "# other words\nFROM a AS base";
  ASSERT_OK(Parse(text, Linter(LintOptions(), sink)));
  EXPECT_EQ(count, 0);
  ASSERT_OK_AND_ASSIGN(const LintOptions options, LintOptions::Parse("experimental=all"));
  ASSERT_OK(Parse(text, Linter(options, sink)));
  EXPECT_EQ(count, 1);
}

}  // namespace
}  // namespace cairn::dockerfile
