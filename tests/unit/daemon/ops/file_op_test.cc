#include "daemon/ops/file_op.h"

#include "daemon/llb/errors.h"
#include "tests/unit/daemon/ops/op_fixture.h"

namespace cairn::ops {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class FileOpTest : public testing::OpTest {
 protected:
  // Runs `actions` on `inputs`, one output.
  StatusOr<std::vector<std::string>> Run(const std::vector<layer::Chain>& inputs) {
    const auto op = MakeFileOp(MakeVertex(op_, static_cast<int>(inputs.size())), *chains_, clock_);
    auto context = Context();
    ASSIGN_OR_RETURN(outputs_, op->Run(context, inputs));
    return Describe(outputs_.at(0).chain);
  }

  std::string KeyText(int inputs) {
    const auto op = MakeFileOp(MakeVertex(op_, inputs), *chains_, clock_);
    auto context = Context();
    prepared_ = *op->Prepare(context);
    return prepared_.key->text();
  }

  pb::FileAction& AddAction(int64_t input, int64_t secondary = -1) {
    pb::FileAction& action = *op_.mutable_file()->add_actions();
    action.set_input(input);
    action.set_secondaryinput(secondary);
    action.set_output(0);
    return action;
  }

  // COPY as the Dockerfile frontend sends it, from input 1 to input 0.
  pb::FileActionCopy& AddCopy(const std::string& source, const std::string& destination) {
    pb::FileActionCopy& copy = *AddAction(0, 1).mutable_copy();
    copy.set_src(source);
    copy.set_dest(destination);
    copy.set_mode(-1);
    copy.set_timestamp(-1);
    copy.set_followsymlink(true);
    copy.set_dircopycontents(true);
    copy.set_createdestpath(true);
    copy.set_allowwildcard(true);
    copy.set_allowemptywildcard(true);
    return copy;
  }

  pb::Op op_;
  std::vector<solver::OpOutput> outputs_;
  solver::Prepared prepared_;
};

TEST_F(FileOpTest, CopiesAFileIntoANewDirectory) {
  AddCopy("/a.txt", "/app/");
  EXPECT_THAT(*Run({MakeChain({{"etc/", ""}}), MakeChain({{"a.txt", "A"}})}),
              ElementsAre("dir app 755 0:0", "file app/a.txt 644 0:0 A", "dir etc 755 0:0"));
}

TEST_F(FileOpTest, CopyIsOneLayerOnTopOfItsBase) {
  AddCopy("/a.txt", "/a.txt");
  const layer::Chain base = MakeChain({{"etc/passwd", "x"}});
  ASSERT_OK(Run({base, MakeChain({{"a.txt", "A"}})}));
  ASSERT_EQ(outputs_[0].chain.layers.size(), 2u);
  EXPECT_EQ(outputs_[0].base_input, 0);
  EXPECT_THAT(Describe(outputs_[0].chain.layers[1].delta), ElementsAre("file a.txt 644 0:0 A"));
}

TEST_F(FileOpTest, CopyOfADirectoryMergesItsContents) {
  AddCopy("/src", "/app");
  EXPECT_THAT(*Run({MakeChain({{"app/old", "O"}, {"app/a", "old"}}),
                    MakeChain({{"src/a", "new"}, {"src/sub/b", "B"}})}),
              ElementsAre("dir app 755 0:0", "file app/a 644 0:0 new", "file app/old 644 0:0 O",
                          "dir app/sub 755 0:0", "file app/sub/b 644 0:0 B"));
}

TEST_F(FileOpTest, WithoutContentsADirectoryIsNested) {
  AddCopy("/src", "/app").set_dircopycontents(false);
  EXPECT_THAT(*Run({MakeChain({{"app/", ""}}), MakeChain({{"src/a", "A"}})}),
              ElementsAre("dir app 755 0:0", "dir app/src 755 0:0", "file app/src/a 644 0:0 A"));
}

TEST_F(FileOpTest, OwnerAndModeApplyToAllThatIsCopiedOrMade) {
  pb::FileActionCopy& copy = AddCopy("/src", "/new/app");
  copy.set_mode(0750);
  copy.mutable_owner()->mutable_user()->set_byid(5);
  EXPECT_THAT(*Run({MakeChain({}), MakeChain({{"src/d/a", "A"}})}),
              ElementsAre("dir new 750 5:5", "dir new/app 750 5:5", "dir new/app/d 750 5:5",
                          "file new/app/d/a 750 5:5 A"));
}

// BuildKit makes them with mkdir(2) and changes only what it copies.
TEST_F(FileOpTest, MadeDirectoriesGetNoSpecialBits) {
  pb::FileActionCopy& copy = AddCopy("/src", "/new/app");
  copy.set_mode(07755);
  copy.mutable_owner()->mutable_user()->set_byid(0xffffffff);
  EXPECT_THAT(*Run({MakeChain({}), MakeChain({{"src/d/a", "A"}})}),
              ElementsAre("dir new 755 0:0", "dir new/app 755 0:0", "dir new/app/d 7755 0:0",
                          "file new/app/d/a 7755 0:0 A"));
}

TEST_F(FileOpTest, OwnerNamesAreLookedUpInTheBase) {
  pb::FileActionCopy& copy = AddCopy("/a", "/a");
  copy.mutable_owner()->mutable_user()->mutable_byname()->set_name("web");
  copy.mutable_owner()->mutable_group()->mutable_byname()->set_name("www");
  EXPECT_THAT(*Run({MakeChain({{"etc/passwd", "root:x:0:0::/:\nweb:x:33:34::/:\n"},
                               {"etc/group", "www:x:99:\n"}}),
                    MakeChain({{"a", "A"}})}),
              Contains("file a 644 33:99 A"));
}

TEST_F(FileOpTest, UnknownOwnerIsRoot) {
  AddCopy("/a", "/a").mutable_owner()->mutable_user()->mutable_byname()->set_name("nobody");
  EXPECT_THAT(*Run({MakeChain({}), MakeChain({{"a", "A"}})}), ElementsAre("file a 644 0:0 A"));
}

TEST_F(FileOpTest, SymbolicModeChangesWhatIsThere) {
  AddCopy("/src", "/").set_modestr("u+x,go=");
  EXPECT_THAT(*Run({MakeChain({}), MakeChain({{"src/a", "A"}, {"src/l", "-> a"}})}),
              ElementsAre("file a 700 0:0 A", "link l -> a"));
}

TEST_F(FileOpTest, WildcardsCopyEachMatchByItsName) {
  AddCopy("/*.txt", "/out/");
  EXPECT_THAT(
      *Run({MakeChain({}), MakeChain({{"a.txt", "A"}, {"b.txt", "B"}, {"c.md", "C"}})}),
      ElementsAre("dir out 755 0:0", "file out/a.txt 644 0:0 A", "file out/b.txt 644 0:0 B"));
}

TEST_F(FileOpTest, WildcardWithoutMatchIsAnErrorUnlessAllowed) {
  pb::FileActionCopy& copy = AddCopy("/*.txt", "/out/");
  copy.set_allowemptywildcard(false);
  const auto inputs = std::vector{MakeChain({}), MakeChain({{"c.md", "C"}})};
  EXPECT_THAT(Run(inputs), StatusIs(absl::StatusCode::kNotFound, "/*.txt not found"));
  copy.set_allowemptywildcard(true);
  op_.mutable_file()->mutable_actions(0)->mutable_copy()->set_allowemptywildcard(true);
  EXPECT_THAT(*Run(inputs), IsEmpty());
}

TEST_F(FileOpTest, AMissingSourceIsTheSystemsError) {
  AddAction(0, 1).mutable_copy()->set_src("/bar");
  EXPECT_THAT(Run({MakeChain({{"foo", "F"}}), MakeChain({})}),
              StatusIs(absl::StatusCode::kNotFound, "lstat /bar: no such file or directory"));
}

TEST_F(FileOpTest, AFailedActionKeepsTheStatesBeforeIt) {
  AddAction(-1).mutable_mkdir()->set_path("/found");
  pb::FileActionMkFile& made = *AddAction(1).mutable_mkfile();
  made.set_path("/found/foo");
  made.set_data("data");
  pb::FileActionMkFile& failing = *AddAction(2).mutable_mkfile();
  failing.set_path("/notfound/foo");
  failing.set_data("data");
  AddAction(3).mutable_mkdir()->set_path("/never");
  for (int i = 0; i < 3; ++i) {
    op_.mutable_file()->mutable_actions(i)->set_output(-1);
  }

  const auto result = Run({MakeChain({{"in", "I"}})});

  const std::optional<errdefs::Solve> solve = llb::SolveOf(result.status());
  ASSERT_TRUE(solve.has_value());
  EXPECT_EQ(solve->file().index(), 2);
  ASSERT_EQ(solve->inputids_size(), 1);
  EXPECT_THAT(DescribeKept(solve->inputids(0)), ElementsAre("file in 644 0:0 I"));
  ASSERT_EQ(solve->mountids_size(), 4);
  EXPECT_THAT(DescribeKept(solve->mountids(0)), ElementsAre("dir found 0 0:0"));
  const std::vector<std::string> last = {"dir found 0 0:0", "file found/foo 0 0:0 data"};
  EXPECT_EQ(DescribeKept(solve->mountids(1)), last);
  EXPECT_EQ(DescribeKept(solve->mountids(2)), last);  // what it was to change
  EXPECT_EQ(solve->mountids(3), "");
}

TEST_F(FileOpTest, ExcludedFilesAreNotCopied) {
  AddCopy("/", "/app").add_exclude_patterns("**/*.md");
  EXPECT_THAT(*Run({MakeChain({}), MakeChain({{"a.txt", "A"}, {"d/x.md", "X"}, {"d/y", "Y"}})}),
              ElementsAre("dir app 755 0:0", "file app/a.txt 644 0:0 A", "dir app/d 755 0:0",
                          "file app/d/y 644 0:0 Y"));
}

TEST_F(FileOpTest, LinksInTheDestinationAreFollowedWithinTheRoot) {
  AddCopy("/a", "/link/a");
  EXPECT_THAT(
      *Run({MakeChain({{"real/", ""}, {"link", "-> ../../../real"}}), MakeChain({{"a", "A"}})}),
      Contains("file real/a 644 0:0 A"));
}

TEST_F(FileOpTest, FileDoesNotReplaceDirectoryUnlessAsked) {
  pb::FileActionCopy& copy = AddCopy("/src", "/");
  const auto inputs = std::vector{MakeChain({{"x/y", "Y"}}), MakeChain({{"src/x", "X"}})};
  EXPECT_THAT(Run(inputs), StatusIs(absl::StatusCode::kFailedPrecondition,
                                    "cannot replace to directory /x with file"));
  copy.set_alwaysreplaceexistingdestpaths(true);
  EXPECT_THAT(*Run(inputs), ElementsAre("file x 644 0:0 X"));
}

TEST_F(FileOpTest, DirectoryDoesNotReplaceFileUnlessAsked) {
  pb::FileActionCopy& copy = AddCopy("/src", "/");
  const auto inputs = std::vector{MakeChain({{"x", "X"}}), MakeChain({{"src/x/y", "Y"}})};
  EXPECT_THAT(Run(inputs),
              StatusIs(absl::StatusCode::kFailedPrecondition, "cannot copy to non-directory: /x"));
  copy.set_alwaysreplaceexistingdestpaths(true);
  EXPECT_THAT(*Run(inputs), ElementsAre("dir x 755 0:0", "file x/y 644 0:0 Y"));
}

TEST_F(FileOpTest, MissingDestinationParentIsAnErrorUnlessItIsMade) {
  AddCopy("/a", "/no/where/a").set_createdestpath(false);
  EXPECT_THAT(Run({MakeChain({}), MakeChain({{"a", "A"}})}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("failed to stat /no/where/a")));
}

TEST_F(FileOpTest, FailureNamesTheAction) {
  AddAction(-1).mutable_mkdir()->set_path("/a/b");
  const auto failed = Run({});
  ASSERT_FALSE(failed.ok());
  const auto solve = llb::SolveOf(failed.status());
  ASSERT_TRUE(solve.has_value());
  EXPECT_EQ(solve->file().index(), 0);
}

TEST_F(FileOpTest, MkdirMakesParentsWithModeAndOwner) {
  pb::FileActionMkDir& mkdir = *AddAction(-1).mutable_mkdir();
  mkdir.set_path("/a/b");
  mkdir.set_mode(0711);
  mkdir.set_makeparents(true);
  mkdir.set_timestamp(-1);
  mkdir.mutable_owner()->mutable_user()->set_byid(3);
  EXPECT_THAT(*Run({}), ElementsAre("dir a 711 3:3", "dir a/b 711 3:3"));
  EXPECT_EQ(outputs_[0].base_input, -1);
}

TEST_F(FileOpTest, MkdirLeavesAnExistingDirectoryAlone) {
  pb::FileActionMkDir& mkdir = *AddAction(0).mutable_mkdir();
  mkdir.set_path("/a");
  mkdir.set_mode(0711);
  EXPECT_THAT(*Run({MakeChain({{"a/", ""}})}), ElementsAre("dir a 755 0:0"));
}

TEST_F(FileOpTest, MkfileWritesIntoWhatIsThere) {
  pb::FileActionMkFile& mkfile = *AddAction(0).mutable_mkfile();
  mkfile.set_path("/a");
  mkfile.set_mode(0600);
  mkfile.set_data("new");
  EXPECT_THAT(*Run({MakeChain({{"a", "old"}})}), ElementsAre("file a 644 0:0 new"));
}

TEST_F(FileOpTest, MkfileNeedsItsParent) {
  AddAction(-1).mutable_mkfile()->set_path("/no/a");
  EXPECT_THAT(Run({}), StatusIs(absl::StatusCode::kNotFound,
                                HasSubstr("open /no/a: no such file or directory")));
}

TEST_F(FileOpTest, SymlinkDoesNotReplace) {
  pb::FileActionSymlink& symlink = *AddAction(0).mutable_symlink();
  symlink.set_oldpath("to");
  symlink.set_newpath("/a");
  EXPECT_THAT(*Run({MakeChain({})}), ElementsAre("link a -> to"));
  EXPECT_THAT(Run({MakeChain({{"a", "A"}})}),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("symlink to /a")));
}

TEST_F(FileOpTest, RmLeavesAWhiteout) {
  AddAction(0).mutable_rm()->set_path("/d/a");
  EXPECT_THAT(*Run({MakeChain({{"d/a", "A"}, {"d/b", "B"}})}),
              ElementsAre("dir d 755 0:0", "file d/b 644 0:0 B"));
  EXPECT_THAT(Describe(outputs_[0].chain.layers.back().delta),
              ElementsAre("dir d 755 0:0", "whiteout d/a"));
}

// "COPY /s/* /w/" of two directories that share a file made one inode of its two copies. BuildKit
// keeps links within what one match copies.
TEST_F(FileOpTest, MatchesShareNoHardLinks) {
  const auto linked = [&](const std::vector<std::string>& names, bool is_large) {
    tree::Entry file{.type = tree::Entry::Type::kFile};
    file.metadata.mode = 0644;
    file.file = *blobs_->Put("A");
    file.size = 1;
    file.link_group = 7;
    tree::Directory directory;
    directory.metadata.mode = is_large ? 0700 : 0755;
    for (const std::string& name : names) {
      file.name = name;
      directory.entries.push_back(file);
    }
    tree::Entry entry{.type = tree::Entry::Type::kDirectory};
    entry.directory = *trees_->Store(std::move(directory));
    return entry;
  };
  tree::Directory root;
  root.metadata.mode = 0755;
  root.entries = {linked({"a", "b"}, true), linked({"c"}, false)};
  root.entries[0].name = "x";
  root.entries[1].name = "y";
  AddCopy("/*", "/w/");
  ASSERT_OK(Run({MakeChain({}), *chains_->Single(*trees_->Store(std::move(root)))}).status());
  const tree::TreeRef tree = *chains_->TreeOf(outputs_.at(0).chain);
  const auto group = [&](const std::string& path) {
    return tree::Lookup(*trees_, tree, path, true)->entry.link_group;
  };
  EXPECT_NE(group("/w/a"), 0u);
  EXPECT_EQ(group("/w/a"), group("/w/b"));
  EXPECT_NE(group("/w/a"), group("/w/c"));
}

TEST_F(FileOpTest, RmOfALinkRemovesTheLink) {
  AddAction(0).mutable_rm()->set_path("/l");
  EXPECT_THAT(*Run({MakeChain({{"a", "A"}, {"l", "-> a"}})}), ElementsAre("file a 644 0:0 A"));
}

TEST_F(FileOpTest, RmOfNothingIsAnErrorUnlessAllowed) {
  pb::FileActionRm& rm = *AddAction(0).mutable_rm();
  rm.set_path("/no");
  EXPECT_THAT(Run({MakeChain({})}), StatusIs(absl::StatusCode::kNotFound, HasSubstr("/no")));
  rm.set_allownotfound(true);
  EXPECT_OK(Run({MakeChain({})}));
}

TEST_F(FileOpTest, RmTakesWildcardsAndRefusesTheRoot) {
  pb::FileActionRm& rm = *AddAction(0).mutable_rm();
  rm.set_path("/*.o");
  rm.set_allowwildcard(true);
  EXPECT_THAT(*Run({MakeChain({{"a.o", ""}, {"b.o", ""}, {"c", "C"}})}),
              ElementsAre("file c 644 0:0 C"));
  rm.set_path("/..");
  EXPECT_THAT(Run({MakeChain({})}), Not(::cairn::testing::IsOk()));
}

TEST_F(FileOpTest, ActionsMayBuildOnEachOther) {
  pb::FileAction& mkdir = AddAction(-1);
  mkdir.mutable_mkdir()->set_path("/a");
  mkdir.mutable_mkdir()->set_mode(0755);
  mkdir.set_output(-1);
  pb::FileAction& mkfile = AddAction(0);
  mkfile.mutable_mkfile()->set_path("/a/f");
  mkfile.mutable_mkfile()->set_mode(0600);
  EXPECT_THAT(*Run({}), ElementsAre("dir a 755 0:0", "file a/f 600 0:0 "));
}

TEST_F(FileOpTest, TimestampIsGivenOrNowOrTheSource) {
  AddCopy("/a", "/a").set_timestamp(123);
  ASSERT_OK(Run({MakeChain({}), MakeChain({{"a", "A"}})}));
  const auto tree = *chains_->TreeOf(outputs_[0].chain);
  EXPECT_EQ(tree::Lookup(*trees_, tree, "/a", false)->entry.metadata.mtime_ns, 123);
}

TEST_F(FileOpTest, KeyDependsOnSelectedContentAndNotOnWhereItLies) {
  AddCopy("/deep/down/a.txt", "/x");
  const std::string text = KeyText(2);
  EXPECT_THAT(text, HasSubstr("a.txt"));
  EXPECT_THAT(text, Not(HasSubstr("deep")));
  ASSERT_EQ(prepared_.inputs.size(), 2u);
  EXPECT_EQ(prepared_.inputs[0].input, 0);
  EXPECT_FALSE(prepared_.inputs[0].selection.has_value());
  EXPECT_EQ(prepared_.inputs[1].input, 1);
  EXPECT_THAT(prepared_.inputs[1].selection->paths, ElementsAre("/deep/down/a.txt"));
}

TEST_F(FileOpTest, CopyWithinOneTreeDependsOnAllOfIt) {
  pb::FileActionCopy& copy = AddCopy("/a", "/b");
  op_.mutable_file()->mutable_actions(0)->set_secondaryinput(0);
  copy.set_mode(-1);
  KeyText(1);
  ASSERT_EQ(prepared_.inputs.size(), 1u);
  EXPECT_FALSE(prepared_.inputs[0].selection.has_value());
}

}  // namespace
}  // namespace cairn::ops
