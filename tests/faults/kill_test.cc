// The daemon is killed at moments of a build, again and again on one store, and started anew as a
// service manager does. Each time the store must open, the same build must then come to what it
// comes to undisturbed, and what had finished must not run again.
//
// CAIRN_KILLS sets how often (a few by default), CAIRN_KILL_SEED the choice of moments.
#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/e2e/fixture.h"
#include "tests/e2e/leftovers.h"

namespace cairn::e2e {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSubsetOf;

constexpr absl::Duration kEndLimit = absl::Seconds(20);
constexpr int kMaxDelayMs = 3;

// Two stages that run side by side, then one of both: runs, copies, a cache mount, removals.
constexpr char kDockerfile[] =
    "FROM scratch AS base\n"
    "COPY busybox /bin/busybox\n"
    "RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n"
    "ARG MARK\n"
    "FROM base AS left\n"
    "ARG ROUND\n"
    "RUN echo $ROUND > /round && mkdir /d && for i in $(seq 100); do echo $i $ROUND > /d/$i; done\n"
    "RUN --mount=type=cache,target=/cache echo $ROUND >> /cache/rounds && rm /d/1*\n"
    "FROM base AS right\n"
    "COPY data /data\n"
    "RUN cat /data /data > /twice\n"
    "FROM base\n"
    "COPY --from=left /d /left\n"
    "COPY --from=right /twice /right/\n"
    "RUN cat /left/* > /all && rm -r /left\n";

int Setting(const char* name, int fallback) {
  const char* text = std::getenv(name);
  int value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : fallback;
}

// What a client saw of a build.
struct Seen {
  int exit_code = -1;
  std::string err;
  int events = 0;
  std::set<std::string> finished;  // names of steps, cached ones as well
  std::set<std::string> cached;
};

// A `cairn build` whose progress is read event by event.
class WatchedBuild {
 public:
  static StatusOr<std::unique_ptr<WatchedBuild>> Start(const std::vector<std::string>& argv) {
    auto build = std::make_unique<WatchedBuild>();
    ASSIGN_OR_RETURN(FdPair pipe, MakePipe());
    ASSIGN_OR_RETURN(build->process_,
                     Subprocess::Start({.argv = argv, .descriptors = {{2, pipe.write.get()}}}));
    build->progress_ = std::move(pipe.read);
    return build;
  }

  // Reads until `events` of them were seen, or the build's end.
  void ReadEvents(int events) {
    while (seen_.events < events && ReadSome()) {
    }
  }

  // Waits for more progress, but no longer than this.
  void Linger(int milliseconds) {
    pollfd more{.fd = progress_.get(), .events = POLLIN, .revents = 0};
    ::poll(&more, 1, milliseconds);
  }

  const Seen& Finish() {
    while (ReadSome()) {
    }
    seen_.exit_code = process_->Wait().value_or(-1);
    return seen_;
  }

 private:
  bool ReadSome() {
    char buffer[1 << 12];
    const ssize_t got = ::read(progress_.get(), buffer, sizeof buffer);
    if (got <= 0) {
      return got < 0 && errno == EINTR;
    }
    pending_.append(buffer, static_cast<size_t>(got));
    for (size_t end = pending_.find('\n'); end != std::string::npos; end = pending_.find('\n')) {
      Take(pending_.substr(0, end));
      pending_.erase(0, end + 1);
    }
    return true;
  }

  void Take(const std::string& line) {
    const json message = json::parse(line, nullptr, false);
    if (!message.is_object()) {
      absl::StrAppend(&seen_.err, line, "\n");
      return;
    }
    ++seen_.events;
    for (const json& vertex : message.value("vertexes", json::array())) {
      const std::string name = vertex.value("name", "");
      if (!absl::StartsWith(name, "[") || absl::StartsWith(name, "[internal]")) {
        continue;
      }
      if (vertex.contains("completed") && !vertex.contains("error")) {
        seen_.finished.insert(name);
      } else {
        seen_.finished.erase(name);
      }
      if (vertex.value("cached", false)) {
        seen_.cached.insert(name);
      }
    }
  }

  std::unique_ptr<Subprocess> process_;
  UniqueFd progress_;
  std::string pending_;
  Seen seen_;
};

class KillTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(steady_, Daemon::Start(steady_directory_.path()));
    ASSERT_OK_AND_ASSIGN(victim_, Daemon::Start(victim_directory_.path()));
    std::filesystem::copy_file("/bin/busybox", WriteContext("busybox", ""),
                               std::filesystem::copy_options::overwrite_existing);
    WriteContext("Dockerfile", kDockerfile);
  }

  std::string WriteContext(const std::string& name, const std::string& data) {
    return steady_directory_.Write("context/" + name, data);
  }

  // Data that is another in every round, so that each has a context to send and layers to make.
  void WriteRound(int round) {
    std::mt19937 random(static_cast<uint32_t>(round));
    std::string data(512 << 10, '\0');
    for (char& c : data) {
      c = static_cast<char>(random());
    }
    WriteContext("data", data);
  }

  StatusOr<std::unique_ptr<WatchedBuild>> Build(const Daemon& daemon, int round) {
    std::filesystem::remove(steady_directory_ / "metadata.json");
    return WatchedBuild::Start(
        {ProgramPath("cairn"), "--addr", daemon.address(), "build", "--progress=rawjson",
         "--build-arg", "SOURCE_DATE_EPOCH=1", "--build-arg", absl::StrCat("ROUND=", round),
         "--build-arg", mark_, "--metadata-file", steady_directory_ / "metadata.json", "-o",
         round % 2 == 0
             ? "type=image,name=app,rewrite-timestamp=true"
             : "type=oci,rewrite-timestamp=true,dest=" + (steady_directory_ / "image.tar"),
         steady_directory_ / "context"});
  }

  std::string BuiltDigest() {
    return json::parse(steady_directory_.Read("metadata.json"), nullptr, false)
        .value("containerimage.digest", "none");
  }

  // Builds on both daemons, on one of them twice: the first time it is killed on the way.
  void Round(int round, std::mt19937& random) {
    WriteRound(round);
    ASSERT_OK_AND_ASSIGN(const auto undisturbed, Build(*steady_, round));
    const Seen expected = undisturbed->Finish();
    ASSERT_EQ(expected.exit_code, 0) << expected.err;
    const std::string digest = BuiltDigest();

    const int moment = std::uniform_int_distribution<>(0, expected.events)(random);
    const int delay = std::uniform_int_distribution<>(0, kMaxDelayMs)(random);
    SCOPED_TRACE(absl::StrCat("round ", round, ": killed ", delay, " ms after event ", moment,
                              " of ", expected.events));
    ASSERT_OK_AND_ASSIGN(const auto interrupted, Build(*victim_, round));
    interrupted->ReadEvents(moment);
    interrupted->Linger(delay);
    victim_->Kill();
    auto restarted = Daemon::Start(victim_directory_.path());
    ASSERT_OK(restarted) << victim_->Log();
    victim_ = *std::move(restarted);
    const Seen before = interrupted->Finish();
    if (before.exit_code != 0) {
      EXPECT_THAT(before.err, HasSubstr("ERROR: "));
    }

    ASSERT_OK_AND_ASSIGN(const auto resumed, Build(*victim_, round));
    const Seen after = resumed->Finish();
    ASSERT_EQ(after.exit_code, 0) << after.err << victim_->Log();
    EXPECT_EQ(BuiltDigest(), digest);
    EXPECT_THAT(before.finished, IsSubsetOf(after.cached));
  }

  const OrphanWatch orphans_;
  const testing::TempDir steady_directory_;
  const testing::TempDir victim_directory_;
  const std::string mark_ = "MARK=" + victim_directory_.path();
  std::unique_ptr<Daemon> steady_;
  std::unique_ptr<Daemon> victim_;
};

TEST_F(KillTest, EveryRestartGoesOnWhereTheDeadOneWas) {
  std::mt19937 random(static_cast<uint32_t>(Setting("CAIRN_KILL_SEED", 1)));
  const int kills = Setting("CAIRN_KILLS", 5);
  for (int round = 1; round <= kills && !HasFatalFailure(); ++round) {
    Round(round, random);
  }
  EXPECT_THAT(ProcessesWith(mark_), IsEmpty());

  const std::vector<std::string> cairn = {"cairn", "--addr", victim_->address()};
  const CommandOutput pruned = RunProgram({cairn[0], cairn[1], cairn[2], "prune", "--all"});
  EXPECT_EQ(pruned.exit_code, 0) << pruned.err;
  const CommandOutput used = RunProgram({cairn[0], cairn[1], cairn[2], "du"});
  EXPECT_THAT(used.out, HasSubstr("Total:\t\t0B"));

  EXPECT_THAT(victim_->Stop(), testing::IsOkAndHolds(0)) << victim_->Log();
  EXPECT_THAT(steady_->Stop(), testing::IsOkAndHolds(0)) << steady_->Log();
  EXPECT_THAT(orphans_.Survivors(kEndLimit), IsEmpty());
  EXPECT_THAT(MountsBelow(victim_directory_.path()), IsEmpty());
  EXPECT_THAT(CgroupsOf(victim_directory_ / "root"), IsEmpty());
  size_t objects = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(victim_directory_ / "root/blobs/objects")) {
    objects += entry.is_regular_file() ? 1 : 0;
  }
  EXPECT_EQ(objects, 0U);
}

}  // namespace
}  // namespace cairn::e2e
