// What was built, when, and how it ended: BuildKit's build history.
//
// A record and the blobs that it names (its log) live in one table of the database and go together,
// by age and number or when a client deletes them; nothing of a history counts as build cache.
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cache/blob/database.h"
#include "proto/control.pb.h"
#include "runtime/base/cancel.h"
#include "runtime/base/clock.h"
#include "runtime/base/digest.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"
#include "runtime/base/sync.h"

namespace cairn::history {

// A record goes when it is older than `max_age` and not among the `max_entries` newest. Pinned
// records stay.
struct Retention {
  absl::Duration max_age = absl::Hours(48);
  int64_t max_entries = 50;
};

class History {
 public:
  using Record = moby::buildkit::v1::BuildHistoryRecord;
  using Event = moby::buildkit::v1::BuildHistoryEvent;

  // All outlive the history.
  History(blob::Database& database, const Clock& clock, Logger& log, Retention retention);
  ~History();

  // A build has begun. `record` has what is known of it.
  void Start(const Record& record);

  // It has ended. `log` is its progress as replays need it: each StatusResponse behind its size
  // (uint32, little-endian). The log's descriptor is added to the record. `blobs` are what the
  // record's other descriptors name (trace, error, attestations), as of Describe.
  Status Complete(Record record, const std::string& log,
                  const std::vector<std::string>& blobs = {});

  // The descriptor of a blob that is given to Complete.
  static moby::buildkit::v1::Descriptor Describe(const std::string& media_type, string_view blob);

  // Gives the events that `request` asks for to `send`: running builds, finished ones, then what
  // happens from now on. Returns OK when the snapshot is complete and `request` wants no more
  // (EarlyExit) or `send` returned false; kCancelled when `cancel` fires; kInvalidArgument for a
  // filter that is none.
  Status Listen(const moby::buildkit::v1::BuildHistoryRequest& request,
                const std::function<bool(const Event&)>& send, const CancelToken& cancel);

  // Pins, unpins, deletes or finalises a record. kNotFound when there is none.
  Status Update(const moby::buildkit::v1::UpdateBuildHistoryRequest& request);

  // Gives the progress of the finished build `ref` to `send`, message by message. False when there
  // is no such record.
  StatusOr<bool> Replay(const std::string& ref,
                        const std::function<bool(const moby::buildkit::v1::StatusResponse&)>& send);

  // A blob that some record names; nullopt when none does.
  StatusOr<std::optional<std::string>> ReadBlob(const Digest& digest);

 private:
  struct Listener;
  // What retention asks of a record.
  struct Age {
    absl::Time created;
    absl::Time completed;
    bool pinned = false;
  };

  static Age AgeOf(const Record& record);
  StatusOr<std::optional<Record>> FindRecord(const std::string& ref);
  Status StoreRecord(const Record& record);
  Status DeleteRecord(const Record& record);
  StatusOr<std::vector<Record>> ListRecords();
  // Lets go of what retention no longer wants. Every build ends here, so the records themselves are
  // read once, by the first that does.
  Status Expire();
  Status LoadAges();
  // The records that retention no longer wants, oldest first.
  std::vector<std::string> ExpiredRefs();
  void Publish(const Event& event);
  // Running builds and, unless `active_only`, finished ones, as events.
  StatusOr<std::vector<Event>> Snapshot(bool active_only);

  blob::Database& database_;
  const Clock& clock_;
  Logger& log_;
  const Retention retention_;

  Mutex mu_;
  CondVar changed_;
  std::map<std::string, Record> running_ ABSL_GUARDED_BY(mu_);
  bool ages_loaded_ ABSL_GUARDED_BY(mu_) = false;
  std::map<std::string, Age> ages_ ABSL_GUARDED_BY(mu_);  // by ref; all records once loaded
  std::list<Listener*> listeners_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::history
