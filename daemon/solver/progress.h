// Progress of one build: vertices, statuses, logs and warnings, kept from the start and replayed to
// every subscriber (BuildKit's Status stream, protocol.md section 4).
//
// ProgressLog is thread-safe. Events that a subscriber has not read yet are coalesced: of one
// vertex or status only the latest is delivered, logs never are lost or merged across streams.
// Vertex identity is the digest that the client knows.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "proto/ops.pb.h"
#include "runtime/base/cancel.h"
#include "runtime/base/clock.h"
#include "runtime/base/digest.h"
#include "runtime/base/sync.h"

namespace cairn::solver {

struct VertexEvent {
  Digest digest;
  std::vector<Digest> inputs;
  std::string name;
  bool cached = false;
  std::optional<absl::Time> started;
  std::optional<absl::Time> completed;
  std::string error;
  std::optional<pb::ProgressGroup> progress_group;
};

struct StatusEvent {
  std::string id;
  Digest vertex;
  std::string name;
  int64_t current = 0;
  int64_t total = 0;
  absl::Time timestamp;
  std::optional<absl::Time> started;
  std::optional<absl::Time> completed;
};

struct LogEvent {
  Digest vertex;
  absl::Time timestamp;
  int stream = 1;  // 1 stdout, 2 stderr
  std::string data;
};

struct WarningEvent {
  Digest vertex;
  int64_t level = 1;
  std::string short_text;
  std::vector<std::string> detail;
  std::string url;
  std::optional<pb::SourceInfo> info;
  std::vector<pb::Range> ranges;
};

struct ProgressBatch {
  std::vector<VertexEvent> vertices;
  std::vector<StatusEvent> statuses;
  std::vector<LogEvent> logs;
  std::vector<WarningEvent> warnings;
  bool empty() const {
    return vertices.empty() && statuses.empty() && logs.empty() && warnings.empty();
  }
};

class ProgressLog {
 public:
  explicit ProgressLog(const Clock& clock);
  ~ProgressLog();

  void Write(VertexEvent event);
  void Write(StatusEvent event);
  void Write(LogEvent event);
  void Write(WarningEvent event);

  // Completes every started vertex with "context canceled" and ends all subscriptions.
  void Close();

  const Clock& clock() const { return clock_; }

  // Reads the log from its start. Next waits for something new (at most a moment more, to gather a
  // batch); an empty batch means that the log was closed and everything has been read. The log must
  // outlive it.
  class Subscription {
   public:
    virtual ~Subscription() = default;
    virtual StatusOr<ProgressBatch> Next(const CancelToken& cancel) = 0;
  };
  std::unique_ptr<Subscription> Subscribe();

  // Counts for the history: steps total, completed, cached; warnings.
  struct Counts {
    int total = 0;
    int completed = 0;
    int cached = 0;
    int warnings = 0;
  };
  Counts counts() const;

 private:
  struct State;
  class Reader;
  const Clock& clock_;
  std::unique_ptr<State> state_;
};

// What a running operation reports about its vertex; goes to every build that waits for the vertex.
// Thread-safe.
class VertexReporter {
 public:
  virtual ~VertexReporter() = default;
  // A status line under the vertex; vertex and timestamp are filled in.
  virtual void Status(StatusEvent event) = 0;
  virtual void Log(int stream, string_view data) = 0;
  virtual void Warn(WarningEvent warning) = 0;
};

}  // namespace cairn::solver
