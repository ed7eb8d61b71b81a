// Works on a store until it is done or dies at the fault point that CAIRN_FAULT names, and writes
// what it began and what was acknowledged to a journal outside the store.
//
//   store_crash_driver <store directory> <scratch directory> <seed>
//
// The journal "<scratch>/journal" has lines "begin <identity>" before a change of a record,
// "added <identity>" when an addition and "removed <identity>" when a removal was acknowledged.
// Errors (as an injected one) end the operation and not the program.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/faults/store_fixture.h"

namespace cairn::faults {
namespace {

constexpr int kRounds = 60;

class Driver {
 public:
  Driver(Store& store, std::string scratch, unsigned seed)
      : store_(store), scratch_(std::move(scratch)), random_(seed) {}

  void Run() {
    for (int round = 0; round < kRounds; ++round) {
      const std::unique_ptr<gc::Lease> lease = store_.ledger->NewLease();
      const std::string name = std::to_string(Pick(6));
      const Digest key = Digest::Of(name);
      const std::string step = absl::StrCat("step:", key.hex());
      switch (round % 10) {
        case 0:
          Change("removed", step, [&] { return store_.ledger->Remove(step).status(); });
          break;
        case 1:
          Change("added", "image:" + name, [&] { return PutImage(name); });
          break;
        case 2:
          Change("removed", "image:" + name, [&] { return store_.images->Remove(name); });
          break;
        case 3:
          Change("added", "mount:" + name, [&] { return MakeMount(name); });
          break;
        case 4:
          Change("removed", "mount:" + name,
                 [&] { return store_.ledger->Remove("mount:" + name).status(); });
          break;
        case 5:
          store_.ledger->Sweep().IgnoreError();
          break;
        default:
          Change("added", step, [&] { return RunStep(key, step, *lease); });
      }
    }
  }

 private:
  int Pick(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
  std::string RandomData(bool large) {
    return std::string(large ? blob::BlobStore::kInlineBytes + 1 + Pick(1000) : 1 + Pick(40),
                       static_cast<char>('a' + Pick(26)));
  }

  void Write(const std::string& line) {
    std::ofstream(scratch_ + "/journal", std::ios::app) << line << "\n" << std::flush;
  }
  void Change(const std::string& outcome, const std::string& identity,
              const std::function<Status()>& operation) {
    Write("begin " + identity);
    if (operation().ok()) {
      Write(outcome + " " + identity);
    }
  }

  // A file put in one of the three ways in which bytes enter the store.
  StatusOr<tree::Entry> MakeFile(const std::string& name) {
    const std::string data = RandomData(Pick(2) == 0);
    tree::Entry entry;
    entry.name = name;
    entry.metadata.mode = 0644;
    entry.file = Digest::Of(data);
    entry.size = data.size();
    const int way = Pick(3);
    if (way == 0) {
      RETURN_IF_ERROR(store_.blobs->Put(data).status());
    } else if (way == 1) {
      ASSIGN_OR_RETURN(const auto writer, store_.blobs->NewWriter());
      RETURN_IF_ERROR(writer->Write(string_view(data).substr(0, data.size() / 2)));
      RETURN_IF_ERROR(writer->Write(string_view(data).substr(data.size() / 2)));
      RETURN_IF_ERROR(writer->Commit(entry.file).status());
    } else {
      std::ofstream(scratch_ + "/upper", std::ios::binary | std::ios::trunc) << data;
      const UniqueFd directory(::open(scratch_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      const Status adopted =
          store_.blobs->Adopt(directory.get(), "upper", *entry.file, data.size()).status();
      std::filesystem::remove(scratch_ + "/upper");
      RETURN_IF_ERROR(adopted);
    }
    return entry;
  }

  StatusOr<tree::TreeRef> MakeTree(int depth) {
    std::map<std::string, tree::Entry> entries;
    for (int i = 1 + Pick(3); i > 0; --i) {
      const std::string name = "f" + std::to_string(i);
      ASSIGN_OR_RETURN(const tree::Entry entry, MakeFile(name));
      entries[name] = entry;
    }
    if (depth > 0) {
      ASSIGN_OR_RETURN(const tree::TreeRef below, MakeTree(depth - 1));
      tree::Entry& entry = entries["d"];
      entry.name = "d";
      entry.type = tree::Entry::Type::kDirectory;
      entry.directory = below;
    }
    tree::Directory directory;
    directory.metadata.mode = 0755;
    for (const auto& [name, entry] : entries) {
      directory.entries.push_back(entry);
    }
    return store_.trees->Store(directory);
  }

  Status RunStep(const Digest& key, const std::string& identity, gc::Lease& lease) {
    ASSIGN_OR_RETURN(const tree::TreeRef tree, MakeTree(2));
    RETURN_IF_ERROR(MaterializeTwice(tree));
    const steps::StepRecord record = {
        .outputs = {{.base_input = -1, .layers = {{.delta = tree}}, .content = tree.content}},
        .description = identity};
    RETURN_IF_ERROR(store_.ledger->Add({.identity = identity, .trees = {tree.digest}}));
    RETURN_IF_ERROR(store_.steps->Insert(key, "step test 1\n", record));
    return lease.Use(identity).status();
  }

  // Links the tree's first large file with two kinds of metadata.
  Status MaterializeTwice(const tree::TreeRef& tree) {
    ASSIGN_OR_RETURN(const auto directory, store_.trees->Load(tree.digest));
    const UniqueFd scratch(::open(scratch_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (const tree::Entry& entry : directory->entries) {
      for (const uint32_t mode : {0600u, 0755u}) {
        if (entry.file.has_value()) {
          const std::string name = absl::StrCat("link-", ::getpid(), "-", number_++);
          const fs::Metadata metadata = {
              .mode = mode, .uid = ::geteuid(), .gid = ::getegid(), .mtime_ns = Pick(3)};
          RETURN_IF_ERROR(
              store_.blobs->Materialize(*entry.file, metadata, scratch.get(), name, true));
        }
      }
    }
    return absl::OkStatus();
  }

  // An image whose manifest is the list of the digests that it reaches, one a line.
  Status PutImage(const std::string& name) {
    std::vector<Digest> reached;
    std::string manifest;
    for (int i = 0; i < 3; ++i) {
      ASSIGN_OR_RETURN(const Digest blob, store_.blobs->Put(RandomData(i == 0)));
      reached.push_back(blob);
      manifest += blob.hex() + "\n";
    }
    ASSIGN_OR_RETURN(const Digest digest, store_.blobs->Put(manifest));
    reached.push_back(digest);
    return store_.images->Put(
        {.name = name, .media_type = "test", .digest = digest, .size = manifest.size()}, reached);
  }

  Status MakeMount(const std::string& name) {
    const std::string path = scratch_ + "/mounts/" + name;
    RETURN_IF_ERROR(store_.ledger->Add({.identity = "mount:" + name,
                                        .type = gc::RecordType::kCacheMount,
                                        .is_mutable = true,
                                        .directories = {path}}));
    std::filesystem::create_directories(path + "/sub");
    std::ofstream(path + "/sub/file") << RandomData(true);
    return absl::OkStatus();
  }

  Store& store_;
  const std::string scratch_;
  std::mt19937 random_;
  int number_ = 0;
};

int Main(int argc, char** argv) {
  unsigned seed = 0;
  if (argc != 4 || !absl::SimpleAtoi(argv[3], &seed)) {
    std::fprintf(stderr, "usage: store_crash_driver <store> <scratch> <seed>\n");
    return 2;
  }
  auto store = Store::Open(argv[1]);
  if (!store.ok()) {
    // An injected error while opening; the next start has to get over it.
    return 3;
  }
  Driver(**store, argv[2], seed).Run();
  (*store)->blobs->MakeDurable().IgnoreError();
  return 0;
}

}  // namespace
}  // namespace cairn::faults

int main(int argc, char** argv) { return cairn::faults::Main(argc, argv); }
