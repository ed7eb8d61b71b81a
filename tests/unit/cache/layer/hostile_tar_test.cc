// Archives made to escape, to lie or to exhaust: what is taken stays beneath the root.

#include "cache/layer/importer.h"
#include "tests/unit/cache/layer/tars.h"
#include "tests/unit/cache/stores.h"

namespace cairn::layer {
namespace {

using namespace ::cairn::testing;  // NOLINT: the tar builders
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class HostileTarTest : public ::testing::Test {
 protected:
  StatusOr<ImportedTar> Import(const std::vector<TarMember>& members) {
    fs::StringSource source(MakeTar(members));
    return ImportTar(stores_.trees(), source, true, {});
  }
  std::vector<std::string> Lines(const std::vector<TarMember>& members) {
    const auto imported = Import(members);
    EXPECT_OK(imported);
    return imported.ok() ? LinesOf(stores_, imported->tree) : std::vector<std::string>();
  }
  Stores stores_;
};

TEST_F(HostileTarTest, NamesStayBeneathTheRoot) {
  EXPECT_THAT(Lines({TarFile("../x", "1"), TarFile("/y", "2"), TarFile("a/../../z", "3"),
                     TarFile("./../w", "4"), TarFile("a//b/./f", "5")}),
              ElementsAre("a/?", "a/b/?", "a/b/f=5", "w=4", "x=1", "y=2", "z=3"));
}

TEST_F(HostileTarTest, WritesThroughLinksLandWithinTheLayer) {
  EXPECT_THAT(Lines({TarSymlink("l", "/canary"), TarFile("l/f", "1")}),
              ElementsAre("canary/?", "canary/f=1", "l->/canary"));
  EXPECT_THAT(Lines({TarSymlink("l", "../../.."), TarFile("l/f", "1")}),
              ElementsAre("f=1", "l->../../.."));
  EXPECT_THAT(Lines({TarDirectory("run"), TarDirectory("var"), TarSymlink("var/run", "/run"),
                     TarFile("var/run/pid", "7")}),
              ElementsAre("run/", "run/pid=7", "var/", "var/run->/run"));
  EXPECT_THAT(Lines({TarSymlink("a", "b"), TarSymlink("b", "c"), TarFile("a/f", "1")}),
              ElementsAre("a->b", "b->c", "c/?", "c/f=1"));
}

TEST_F(HostileTarTest, AnEntryNeverFollowsALinkOfItsOwnName) {
  EXPECT_THAT(Lines({TarSymlink("l", "/canary"), TarFile("l", "1")}), ElementsAre("l=1"));
  EXPECT_THAT(Lines({TarSymlink("l", "/canary"), TarDirectory("l"), TarFile("l/f", "1")}),
              ElementsAre("l/", "l/f=1"));
}

TEST_F(HostileTarTest, LinkLoopsAreRefused) {
  EXPECT_THAT(Import({TarSymlink("a", "b"), TarSymlink("b", "a"), TarFile("a/f", "1")}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("too many links")));
}

TEST_F(HostileTarTest, TheRootStaysADirectory) {
  for (const char* name : {".", "./", "/", "a/.."}) {
    EXPECT_THAT(Import({TarSymlink(name, "/canary")}),
                StatusIs(absl::StatusCode::kInvalidArgument, _))
        << name;
  }
  EXPECT_THAT(Import({TarFile("a/..", "x")}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("root")));
}

TEST_F(HostileTarTest, BadHardLinksAreRefused) {
  for (const char* target : {"../../canary/f", "/canary/f", "x", "later", "d", ".", "d/../none"}) {
    EXPECT_THAT(Import({TarDirectory("d"), TarHardLink("x", target), TarFile("later", "1")}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("layer entry \"x\"")))
        << target;
  }
}

TEST_F(HostileTarTest, AHardLinkToALinkIsTheLink) {
  EXPECT_THAT(Lines({TarSymlink("l", "/canary"), TarHardLink("h", "l")}),
              ElementsAre("h->/canary", "l->/canary"));
}

TEST_F(HostileTarTest, EntriesBelowFilesAreRefused) {
  EXPECT_THAT(Import({TarFile("f", "1"), TarFile("f/x", "2")}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "layer entry \"f/x\": a parent is not a directory"));
}

TEST_F(HostileTarTest, BadWhiteoutsAreRefused) {
  for (const char* name : {".wh.", ".wh..", ".wh...", ".wh.a/b", "x/.wh.../y"}) {
    EXPECT_THAT(Import({TarFile(name, "")}), StatusIs(absl::StatusCode::kInvalidArgument, _))
        << name;
  }
}

TEST_F(HostileTarTest, OverlaysOwnMarksAreKeptOut) {
  TarMember device;
  device.entry = {.path = "gone", .kind = fs::Kind::kCharDevice, .device = 0};
  EXPECT_THAT(Import({device}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("0:0 character device")));
}

TEST_F(HostileTarTest, DeepAndLongNamesAreBounded) {
  std::string deep;
  for (int i = 0; i < 3000; ++i) {
    deep += "d/";
  }
  EXPECT_FALSE(Import({TarFile(deep + "f", "1")}).ok());
  EXPECT_THAT(Import({TarFile(std::string(256, 'n'), "1")}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("255 bytes")));
  EXPECT_OK(Import({TarFile(std::string(255, 'n'), "1")}));
}

TEST_F(HostileTarTest, GarbageIsRefused) {
  fs::StringSource source(std::string(2048, 'g'));
  EXPECT_THAT(ImportTar(stores_.trees(), source, true, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, _));
}

}  // namespace
}  // namespace cairn::layer
