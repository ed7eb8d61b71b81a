// Plays recorded exchanges of BuildKit's own clients to a real cairnd, byte for byte, and compares
// what it answers with what is kept beside the recording. CAIRN_REGENERATE=1 writes the answers
// anew; the difference is then for review.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/connection.h"
#include "client/session.h"
#include "proto/control.pb.h"
#include "proto/gateway.pb.h"
#include "runtime/base/sync.h"
#include "runtime/base/thread_pool.h"
#include "tests/conformance/exchange.h"
#include "tests/conformance/transcript.h"
#include "tests/e2e/fixture.h"

namespace cairn::conformance {
namespace {

namespace stdfs = std::filesystem;

constexpr auto kLimit = std::chrono::seconds(60);
constexpr char kDirectory[] = CAIRN_SOURCE_DIR "/tests/conformance/";

grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::string ToBytes(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (buffer.Dump(&slices).ok()) {
    for (const grpc::Slice& slice : slices) {
      bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
  }
  return bytes;
}

// Plays one exchange: each call on a thread of its own, begun when the calls have ended that had
// ended in the recording. A result that a call's answer names has another id than in the
// recording; it takes that id's place in what is sent later.
class Replay {
 public:
  Replay(const Exchange& exchange, client::Connection& connection, std::string context,
         std::string output)
      : exchange_(exchange),
        connection_(connection),
        context_(std::move(context)),
        output_(std::move(output)) {}

  // The answers as text, in the order of the calls.
  std::string Run() {
    std::vector<std::thread> threads;
    for (const RecordedCall& call : exchange_.calls) {
      threads.push_back(StartThread("call", [this, &call] { Play(call); }));
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    std::string transcript = absl::StrCat(exchange_.command, "\n");
    MutexLock lock(mu_);
    for (const RecordedCall& call : exchange_.calls) {
      transcript += Describe(call.method, answers_[call.number], Reproducible());
    }
    return transcript;
  }

 private:
  static bool IsSession(const RecordedCall& call) {
    return absl::EndsWith(call.method, "Control/Session");
  }

  // The Solve requests of the exchange.
  std::vector<moby::buildkit::v1::SolveRequest> Solves() const {
    std::vector<moby::buildkit::v1::SolveRequest> solves;
    for (const RecordedCall& call : exchange_.calls) {
      if (absl::EndsWith(call.method, "Control/Solve") && !call.messages.empty()) {
        solves.emplace_back().ParseFromString(call.messages.front());
      }
    }
    return solves;
  }

  // Whether the images are the same whenever and wherever they are built.
  bool Reproducible() const {
    for (const auto& solve : Solves()) {
      for (const auto& exporter : solve.exporters()) {
        if (exporter.attrs().count("rewrite-timestamp") > 0) {
          return true;
        }
      }
    }
    return false;
  }

  void WaitFor(const std::vector<int>& calls) {
    MutexLock lock(mu_);
    for (const int call : calls) {
      while (!answers_.contains(call)) {
        changed_.Wait(mu_);
      }
    }
  }

  void Play(const RecordedCall& call) {
    WaitFor(call.after);
    Answer answer = IsSession(call) ? PlaySession(call) : PlayCall(call);
    MutexLock lock(mu_);
    LearnRefs(call, answer);
    answers_[call.number] = std::move(answer);
    changed_.NotifyAll();
  }

  Answer PlaySession(const RecordedCall& call) {
    const StatusOr<std::unique_ptr<client::Session>> session =
        client::Session::Start(connection_, OptionsOf(call));
    WaitFor(call.before_end);
    return {.status = session.ok() ? grpc::Status::OK
                                   : grpc::Status(grpc::StatusCode::UNKNOWN, "no session")};
  }

  client::SessionOptions OptionsOf(const RecordedCall& call) const {
    client::SessionOptions options;
    options.id = call.Headers("x-docker-expose-session-uuid").front();
    options.shared_key = call.Headers("x-docker-expose-session-sharedkey").front();
    const std::vector<std::string> methods = call.Headers("x-docker-expose-session-grpc-method");
    const std::set<std::string> offered(methods.begin(), methods.end());
    if (offered.contains("/moby.filesync.v1.FileSync/DiffCopy")) {
      options.directories = {{"context", context_}, {"dockerfile", context_}};
    }
    for (const auto& solve : Solves()) {
      if (solve.session() != options.id) {
        continue;
      }
      for (int i = 0; i < solve.exporters_size(); ++i) {
        const std::string path = absl::StrCat(output_, "/", options.id, "-", i);
        options.exports.push_back(solve.exporters(i).type() == "local"
                                      ? client::ExportTarget{.index = i, .directory = path}
                                      : client::ExportTarget{.index = i, .file = path});
      }
    }
    return options;
  }

  Answer PlayCall(const RecordedCall& call) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kLimit);
    for (const auto& [key, value] : call.headers) {
      context.AddMetadata(key, value);
    }
    grpc::GenericStub stub(connection_.channel());
    grpc::CompletionQueue queue;
    const auto stream = stub.PrepareCall(&context, call.method, &queue);
    // One operation at a time: each is waited for.
    const auto done = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    Answer answer;
    stream->StartCall(nullptr);
    bool going = done();
    for (const std::string& message : call.messages) {
      if (going) {
        stream->Write(ToBuffer(WithOurRefs(message)), nullptr);
        going = done();
      }
    }
    if (going) {
      stream->WritesDone(nullptr);
      going = done();
    }
    grpc::ByteBuffer buffer;
    while (going) {
      stream->Read(&buffer, nullptr);
      going = done();
      if (going) {
        answer.messages.push_back(ToBytes(buffer));
      }
    }
    stream->Finish(&answer.status, nullptr);
    done();
    return answer;
  }

  // Pairs the ids of the recording's results with those of ours. All ids have one length, so that
  // one can take another's place in a message.
  void LearnRefs(const RecordedCall& call, const Answer& answer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (call.refs.empty() || answer.messages.empty()) {
      return;
    }
    moby::buildkit::v1::frontend::SolveResponse response;
    response.ParseFromString(answer.messages.front());
    refs_[call.refs.front()] = response.result().ref().id();
    EXPECT_EQ(call.refs.front().size(), response.result().ref().id().size());
  }

  std::string WithOurRefs(std::string message) {
    MutexLock lock(mu_);
    for (const auto& [theirs, ours] : refs_) {
      message = absl::StrReplaceAll(message, {{theirs, ours}});
    }
    return message;
  }

  const Exchange& exchange_;
  client::Connection& connection_;
  const std::string context_;
  const std::string output_;
  Mutex mu_;
  CondVar changed_;
  std::map<int, Answer> answers_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::string> refs_ ABSL_GUARDED_BY(mu_);
};

class ReplayTest : public ::testing::TestWithParam<std::string> {
 protected:
  // What the recorded builds are given, with the same modes wherever the sources lie.
  void WriteContext() {
    const std::string context = directory_ / "context";
    stdfs::copy(absl::StrCat(kDirectory, "context"), context, stdfs::copy_options::recursive);
    stdfs::copy_file("/bin/busybox", context + "/busybox");
    for (const auto& entry : stdfs::recursive_directory_iterator(context)) {
      stdfs::permissions(
          entry.path(),
          static_cast<stdfs::perms>(
              entry.is_directory() || entry.path().filename() == "busybox" ? 0755 : 0644));
    }
    stdfs::create_directories(directory_ / "output");
  }

  const testing::TempDir directory_;
};

TEST_P(ReplayTest, AnswersAsExpected) {
  const std::string file = absl::StrCat(kDirectory, "recorded/", GetParam());
  ASSERT_OK_AND_ASSIGN(const Exchange exchange, Exchange::Load(file + ".exchange"));
  WriteContext();
  ASSERT_OK_AND_ASSIGN(const auto daemon, e2e::Daemon::Start(directory_.path()));
  ASSERT_OK_AND_ASSIGN(const auto connection,
                       client::Connection::Open({.address = daemon->address()}));
  const std::string transcript =
      Replay(exchange, *connection, directory_ / "context", directory_ / "output").Run();
  if (std::getenv("CAIRN_REGENERATE") != nullptr) {
    ASSERT_OK(WriteFileDurably(file + ".expected", transcript));
  }
  ASSERT_OK_AND_ASSIGN(const std::string expected, ReadFile(file + ".expected"));
  EXPECT_EQ(transcript, expected) << daemon->Log();
}

// Every exchange that is kept.
std::vector<std::string> Recorded() {
  std::set<std::string> names;
  for (const auto& entry : stdfs::directory_iterator(absl::StrCat(kDirectory, "recorded"))) {
    if (entry.path().extension() == ".exchange") {
      names.insert(entry.path().stem().string());
    }
  }
  return {names.begin(), names.end()};
}

INSTANTIATE_TEST_SUITE_P(Clients, ReplayTest, ::testing::ValuesIn(Recorded()),
                         [](const ::testing::TestParamInfo<std::string>& info) {
                           return absl::StrReplaceAll(info.param, {{"-", "_"}});
                         });

}  // namespace
}  // namespace cairn::conformance
