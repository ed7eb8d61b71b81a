#include "daemon/history/history.h"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/history/record_filter.h"
#include "daemon/history/record_time.h"

namespace cairn::history {
namespace {

namespace api = moby::buildkit::v1;

constexpr blob::Table kTable = blob::Table::kHistory;
constexpr char kRecordPrefix[] = "record/";
constexpr char kBlobPrefix[] = "blob/";
constexpr char kLogMediaType[] = "application/vnd.buildkit.status.v0";
constexpr size_t kSizeBytes = 4;  // before each message of a log

std::string RecordKey(const std::string& ref) { return absl::StrCat(kRecordPrefix, ref); }

// A blob is kept once for each record that names it, so that records go independently.
std::string BlobPrefix(const Digest& digest) {
  return absl::StrCat(kBlobPrefix, digest.hex(), "/");
}

api::BuildHistoryEvent MakeEvent(api::BuildHistoryEventType type,
                                 const api::BuildHistoryRecord& r) {
  api::BuildHistoryEvent event;
  event.set_type(type);
  *event.mutable_record() = r;
  return event;
}

api::BuildHistoryEvent DeletedEvent(const std::string& ref) {
  api::BuildHistoryEvent event;
  event.set_type(api::DELETED);
  event.mutable_record()->set_ref(ref);
  return event;
}

// Descriptors of the blobs that are kept with `record` (not of images, which are elsewhere).
std::vector<const api::Descriptor*> OwnDescriptors(const api::BuildHistoryRecord& record) {
  std::vector<const api::Descriptor*> out;
  if (record.has_logs()) {
    out.push_back(&record.logs());
  }
  if (record.has_trace()) {
    out.push_back(&record.trace());
  }
  if (record.has_externalerror()) {
    out.push_back(&record.externalerror());
  }
  for (const api::Descriptor& attestation : record.result().attestations()) {
    out.push_back(&attestation);
  }
  for (const auto& result : record.results()) {
    for (const api::Descriptor& attestation : result.second.attestations()) {
      out.push_back(&attestation);
    }
  }
  return out;
}

bool NewerFirst(const api::BuildHistoryEvent& a, const api::BuildHistoryEvent& b) {
  return ToTime(a.record().createdat()) > ToTime(b.record().createdat());
}

}  // namespace

// One Listen call's events that it has not sent yet.
struct History::Listener {
  std::deque<Event> events;
};

History::History(blob::Database& database, const Clock& clock, Logger& log, Retention retention)
    : database_(database), clock_(clock), log_(log), retention_(retention) {}

History::~History() = default;

void History::Start(const Record& record) {
  {
    MutexLock lock(mu_);
    running_[record.ref()] = record;
  }
  Publish(MakeEvent(api::STARTED, record));
}

api::Descriptor History::Describe(const std::string& media_type, string_view blob) {
  api::Descriptor descriptor;
  descriptor.set_media_type(media_type);
  descriptor.set_digest(Digest::Of(blob).ToString());
  descriptor.set_size(static_cast<int64_t>(blob.size()));
  return descriptor;
}

Status History::Complete(Record record, const std::string& log,
                         const std::vector<std::string>& blobs) {
  if (!log.empty()) {
    *record.mutable_logs() = Describe(kLogMediaType, log);
    RETURN_IF_ERROR(database_.Put(kTable, BlobPrefix(Digest::Of(log)) + record.ref(), log));
  }
  for (const std::string& each : blobs) {
    RETURN_IF_ERROR(database_.Put(kTable, BlobPrefix(Digest::Of(each)) + record.ref(), each));
  }
  RETURN_IF_ERROR(StoreRecord(record));
  {
    MutexLock lock(mu_);
    running_.erase(record.ref());
  }
  Publish(MakeEvent(api::COMPLETE, record));
  return Expire();
}

Status History::Listen(const api::BuildHistoryRequest& request,
                       const std::function<bool(const Event&)>& send, const CancelToken& cancel) {
  ASSIGN_OR_RETURN(
      const RecordFilter filter,
      RecordFilter::Parse({request.filter().begin(), request.filter().end()}, clock_.Now()));
  const auto wanted = [&request, &filter](const Event& event) {
    return (request.ref().empty() || event.record().ref() == request.ref()) &&
           (event.type() == api::DELETED || filter.Matches(event.record()));
  };
  Listener listener;
  CancelCallback on_cancel(cancel, [this] {
    MutexLock lock(mu_);
    changed_.NotifyAll();
  });
  {
    MutexLock lock(mu_);
    listeners_.push_back(&listener);  // before the snapshot, so that nothing falls between
  }
  const auto leave = [this, &listener](Status status) {
    MutexLock lock(mu_);
    listeners_.remove(&listener);
    return status;
  };
  auto snapshot = Snapshot(request.activeonly());
  if (!snapshot.ok()) {
    return leave(snapshot.status());
  }
  snapshot->erase(std::remove_if(snapshot->begin(), snapshot->end(),
                                 [&wanted](const Event& event) { return !wanted(event); }),
                  snapshot->end());
  if (request.limit() > 0 && snapshot->size() > static_cast<size_t>(request.limit())) {
    std::stable_sort(snapshot->begin(), snapshot->end(), &NewerFirst);
    snapshot->resize(static_cast<size_t>(request.limit()));
  }
  for (const Event& event : *snapshot) {
    if (!send(event)) {
      return leave(absl::OkStatus());
    }
  }
  while (!request.earlyexit()) {
    Event event;
    {
      MutexLock lock(mu_);
      while (listener.events.empty() && !cancel.cancelled()) {
        changed_.Wait(mu_);
      }
      if (listener.events.empty()) {
        listeners_.remove(&listener);
        return cancel.Check();
      }
      event = std::move(listener.events.front());
      listener.events.pop_front();
    }
    if (request.activeonly() && event.type() != api::STARTED && event.type() != api::COMPLETE) {
      continue;
    }
    if (wanted(event) && !send(event)) {
      break;
    }
  }
  return leave(absl::OkStatus());
}

Status History::Update(const api::UpdateBuildHistoryRequest& request) {
  ASSIGN_OR_RETURN(std::optional<Record> record, FindRecord(request.ref()));
  if (!record.has_value()) {
    bool running = false;
    {
      MutexLock lock(mu_);
      running = running_.count(request.ref()) > 0;
    }
    if (request.finalize() && running) {
      return absl::OkStatus();
    }
    return absl::NotFoundError(absl::StrCat("build record ", request.ref(), ": not found"));
  }
  if (request.delete_()) {
    return DeleteRecord(*record);
  }
  if (request.finalize()) {
    return absl::OkStatus();  // a record is whole when it is stored
  }
  record->set_pinned(request.pinned());
  record->set_generation(record->generation() + 1);
  RETURN_IF_ERROR(StoreRecord(*record));
  Publish(MakeEvent(api::COMPLETE, *record));
  return absl::OkStatus();
}

StatusOr<bool> History::Replay(const std::string& ref,
                               const std::function<bool(const api::StatusResponse&)>& send) {
  ASSIGN_OR_RETURN(const std::optional<Record> record, FindRecord(ref));
  if (!record.has_value()) {
    return false;
  }
  if (!record->has_logs()) {
    return true;
  }
  ASSIGN_OR_RETURN(const Digest digest, Digest::Parse(record->logs().digest()));
  ASSIGN_OR_RETURN(const std::optional<std::string> log, ReadBlob(digest));
  string_view rest = log.has_value() ? string_view(*log) : string_view();
  while (rest.size() >= kSizeBytes) {
    size_t size = 0;
    for (size_t i = 0; i < kSizeBytes; ++i) {
      size |= static_cast<size_t>(static_cast<unsigned char>(rest[i])) << (8 * i);
    }
    api::StatusResponse response;
    if (size > rest.size() - kSizeBytes ||
        !response.ParseFromArray(rest.data() + kSizeBytes, static_cast<int>(size))) {
      return absl::DataLossError(absl::StrCat("the log of build ", ref, " is damaged"));
    }
    if (!send(response)) {
      break;
    }
    rest.remove_prefix(kSizeBytes + size);
  }
  return true;
}

StatusOr<std::optional<std::string>> History::ReadBlob(const Digest& digest) {
  std::optional<std::string> found;
  RETURN_IF_ERROR(database_.Scan(kTable, BlobPrefix(digest), [&found](string_view, string_view v) {
    found = std::string(v);
    return false;
  }));
  return found;
}

StatusOr<std::optional<History::Record>> History::FindRecord(const std::string& ref) {
  ASSIGN_OR_RETURN(const std::optional<std::string> bytes, database_.Get(kTable, RecordKey(ref)));
  Record record;
  if (!bytes.has_value() || !record.ParseFromString(*bytes)) {
    return std::optional<Record>();
  }
  return std::optional<Record>(std::move(record));
}

Status History::StoreRecord(const Record& record) {
  RETURN_IF_ERROR(database_.Put(kTable, RecordKey(record.ref()), record.SerializeAsString()));
  MutexLock lock(mu_);
  ages_[record.ref()] = AgeOf(record);
  return absl::OkStatus();
}

Status History::DeleteRecord(const Record& record) {
  blob::WriteBatch batch;
  batch.Delete(kTable, RecordKey(record.ref()));
  for (const api::Descriptor* descriptor : OwnDescriptors(record)) {
    ASSIGN_OR_RETURN(const Digest digest, Digest::Parse(descriptor->digest()));
    batch.Delete(kTable, BlobPrefix(digest) + record.ref());
  }
  RETURN_IF_ERROR(database_.Commit(batch, /*sync=*/false));
  {
    MutexLock lock(mu_);
    ages_.erase(record.ref());
  }
  Publish(DeletedEvent(record.ref()));
  return absl::OkStatus();
}

StatusOr<std::vector<History::Record>> History::ListRecords() {
  std::vector<Record> records;
  RETURN_IF_ERROR(database_.Scan(kTable, kRecordPrefix, [&records](string_view, string_view value) {
    Record record;
    if (record.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
      records.push_back(std::move(record));
    }
    return true;
  }));
  std::sort(records.begin(), records.end(), [](const Record& a, const Record& b) {
    return ToTime(a.createdat()) < ToTime(b.createdat());
  });
  return records;
}

History::Age History::AgeOf(const Record& record) {
  return {ToTime(record.createdat()), ToTime(record.completedat()), record.pinned()};
}

Status History::LoadAges() {
  {
    MutexLock lock(mu_);
    if (ages_loaded_) {
      return absl::OkStatus();
    }
  }
  ASSIGN_OR_RETURN(const std::vector<Record> records, ListRecords());
  MutexLock lock(mu_);
  for (const Record& record : records) {
    // What was stored or deleted since is known better.
    ages_.try_emplace(record.ref(), AgeOf(record));
  }
  ages_loaded_ = true;
  return absl::OkStatus();
}

std::vector<std::string> History::ExpiredRefs() {
  const absl::Time oldest = clock_.Now() - retention_.max_age;
  std::vector<std::pair<absl::Time, std::string>> by_age;
  MutexLock lock(mu_);
  const auto surplus = static_cast<int64_t>(ages_.size()) - retention_.max_entries;
  if (surplus <= 0) {
    return {};
  }
  for (const auto& [ref, age] : ages_) {
    by_age.emplace_back(age.created, ref);
  }
  std::sort(by_age.begin(), by_age.end());
  by_age.resize(static_cast<size_t>(std::min<int64_t>(surplus, ages_.size())));
  std::vector<std::string> expired;
  for (const auto& [created, ref] : by_age) {
    const Age& age = ages_.at(ref);
    if (!age.pinned && age.completed < oldest) {
      expired.push_back(ref);
    }
  }
  return expired;
}

Status History::Expire() {
  RETURN_IF_ERROR(LoadAges());
  for (const std::string& ref : ExpiredRefs()) {
    ASSIGN_OR_RETURN(const std::optional<Record> record, FindRecord(ref));
    if (record.has_value()) {
      RETURN_IF_ERROR(DeleteRecord(*record));
      log_.Debug("build record expired", {{"build", ref}});
    } else {
      MutexLock lock(mu_);
      ages_.erase(ref);  // deleted while the ages were loaded
    }
  }
  return absl::OkStatus();
}

void History::Publish(const Event& event) {
  MutexLock lock(mu_);
  for (Listener* listener : listeners_) {
    listener->events.push_back(event);
  }
  changed_.NotifyAll();
}

StatusOr<std::vector<History::Event>> History::Snapshot(bool active_only) {
  std::vector<Event> events;
  {
    MutexLock lock(mu_);
    for (const auto& entry : running_) {
      events.push_back(MakeEvent(api::STARTED, entry.second));
    }
  }
  if (active_only) {
    return events;
  }
  ASSIGN_OR_RETURN(const std::vector<Record> records, ListRecords());
  for (const Record& record : records) {
    events.push_back(MakeEvent(api::COMPLETE, record));
  }
  return events;
}

}  // namespace cairn::history
