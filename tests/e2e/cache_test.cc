// Caches that travel: what one daemon has built, another with an empty state need not build.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/e2e/fixture.h"

namespace cairn::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Every RUN leaves something that no second run would.
constexpr char kDockerfile[] =
    "FROM scratch AS base\n"
    "COPY busybox /bin/busybox\n"
    "RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n"
    "FROM base AS build\n"
    "RUN head -c 100 /dev/urandom | sha256sum > /made && echo other > /left\n"
    "FROM base\n"
    "COPY --from=build /made /made\n"
    "COPY a.txt /\n"
    "RUN head -c 100 /dev/urandom | sha256sum > /last\n";

class CacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(registry_, Registry::Start(directory_.path()));
    std::filesystem::create_directories(directory_ / "context");
    std::filesystem::copy_file("/bin/busybox", directory_ / "context/busybox");
    directory_.Write("context/a.txt", "a\n");
    directory_.Write("context/Dockerfile", kDockerfile);
    NewDaemon();
  }

  // In place of the one there is, with an empty state.
  void NewDaemon() {
    const std::string home = absl::StrCat(directory_.path(), "/daemon-", ++daemons_);
    std::filesystem::create_directories(home);
    ASSERT_OK_AND_ASSIGN(daemon_, Daemon::Start(home));
  }

  std::string Name(const std::string& repository) const {
    return registry_->host() + "/" + repository;
  }

  // Builds, expecting success, and returns the digest of the image.
  std::string Build(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(),
                     {"cairn", "--addr", daemon_->address(), "build", "--progress=plain",
                      "--metadata-file", directory_ / "metadata.json"});
    arguments.push_back(directory_ / "context");
    built_ = RunProgram(std::move(arguments));
    EXPECT_EQ(built_.exit_code, 0) << built_.err << daemon_->Log();
    return nlohmann::json::parse(directory_.Read("metadata.json"), nullptr, false)
        .value("containerimage.digest", "none");
  }

  // Lines of the last build's progress that tell of a step that was not cached.
  std::vector<std::string> NotCached() const {
    std::vector<std::string> steps;
    const std::vector<std::string> lines = absl::StrSplit(built_.err, '\n');
    for (const std::string& line : lines) {
      if (!absl::StrContains(line, "] RUN ") && !absl::StrContains(line, "] COPY ")) {
        continue;
      }
      const std::string number = line.substr(0, line.find(' '));
      if (!absl::StrContains(built_.err, number + " CACHED") ||
          absl::StrContains(built_.err, number + " DONE")) {
        steps.push_back(line);
      }
    }
    return steps;
  }

  const testing::TempDir directory_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Daemon> daemon_;
  CommandOutput built_;

 private:
  int daemons_ = 0;
};

TEST_F(CacheTest, ASecondDaemonTakesAllFromARegistry) {
  for (const std::string attributes :
       {"", ",mode=max", ",mode=max,compression=zstd,image-manifest=false"}) {
    const std::string cache = Name(absl::StrCat("cache:", attributes.size()));
    NewDaemon();
    const std::string first =
        Build({"--cache-to", absl::StrCat("type=registry,ref=", cache, attributes), "-t", "app"});
    EXPECT_EQ(NotCached().size(), 6U) << built_.err;
    NewDaemon();
    const std::string second =
        Build({"--cache-from", absl::StrCat("type=registry,ref=", cache), "-t", "app"});
    EXPECT_EQ(second, first) << built_.err;
    EXPECT_THAT(NotCached(), IsEmpty()) << built_.err;
  }
}

TEST_F(CacheTest, AnImageCarriesItsCache) {
  const std::string output = absl::StrCat("type=image,push=true,name=", Name("app:1"));
  const std::string first = Build({"--cache-to", "type=inline", "-o", output});
  for (int i = 0; i < 2; ++i) {  // what a hit exports is as good as what was built
    NewDaemon();
    const std::string second =
        Build({"--cache-to", "type=inline", "--cache-from", Name("app:1"), "-o", output});
    EXPECT_EQ(second, first);
    EXPECT_THAT(NotCached(), IsEmpty()) << built_.err;
  }
}

TEST_F(CacheTest, ADirectoryOfTheClientKeepsOne) {
  const std::string directory = directory_ / "cache";
  const std::string first =
      Build({"--cache-to", "type=local,mode=max,dest=" + directory, "-t", "app"});
  NewDaemon();
  const std::string second =
      Build({"--cache-from", "type=local,src=" + directory, "--cache-to",
             "type=local,mode=max,dest=" + directory_ / "other", "-t", "app"});
  EXPECT_EQ(second, first);
  EXPECT_THAT(NotCached(), IsEmpty()) << built_.err;
  // Nothing is lost on the way: the next one does with the copy.
  NewDaemon();
  EXPECT_EQ(Build({"--cache-from", "type=local,src=" + directory_ / "other", "-t", "app"}), first);
  EXPECT_THAT(NotCached(), IsEmpty()) << built_.err;
}

TEST_F(CacheTest, WhatCannotBeImportedIsNoFailure) {
  ASSERT_OK_AND_ASSIGN(const LoopbackPort dead, LoopbackPort::Bind(false));
  Build({"--cache-from", Name("nothing:1"), "--cache-from",
         absl::StrCat("localhost:", dead.port, "/dead:1"), "--cache-from",
         "type=local,src=" + directory_ / "nowhere", "-t", "app"});
  EXPECT_THAT(built_.err, HasSubstr("importing cache manifest from " + Name("nothing:1")));
  EXPECT_EQ(NotCached().size(), 6U) << built_.err;
}

TEST_F(CacheTest, LayersThatAreGoneOrTamperedWithAreMadeAgain) {
  const std::string directory = directory_ / "cache";
  Build({"--cache-to", "type=local,mode=max,dest=" + directory, "-t", "app"});
  // All blobs but the documents: some are cut, some are removed.
  int count = 0;
  for (const auto& blob : std::filesystem::directory_iterator(directory + "/blobs/sha256")) {
    std::string head = directory_.Read("cache/blobs/sha256/" + blob.path().filename().string());
    if (head[0] == '{') {
      continue;
    }
    if (++count % 2 == 0) {
      std::filesystem::remove(blob.path());
    } else {
      std::filesystem::resize_file(blob.path(), head.size() / 2);
    }
  }
  EXPECT_GE(count, 4);
  NewDaemon();
  Build({"--cache-from", "type=local,src=" + directory, "-t", "app"});
  EXPECT_THAT(built_.err, HasSubstr("imported cache cannot be used"));
}

}  // namespace
}  // namespace cairn::e2e
