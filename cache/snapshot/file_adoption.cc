#include "cache/snapshot/file_adoption.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "runtime/base/fd.h"
#include "runtime/base/thread_pool.h"

namespace cairn::snapshot {
namespace {

// More than this is hashed on two threads.
constexpr uint64_t kBytesForTwoThreads = 8 << 20;
constexpr uint64_t kFilesForTwoThreads = 256;
constexpr size_t kBufferBytes = 256 << 10;

class Adoption {
 public:
  Adoption(blob::BlobStore& blobs, int directory_fd, std::vector<WrittenFile>& files,
           const CancelToken& cancel)
      : blobs_(blobs), directory_fd_(directory_fd), files_(files), cancel_(cancel) {}

  // Adopts files until none is left; safe to run on several threads at once.
  Status Run() {
    for (;;) {
      const size_t index = next_.fetch_add(1);
      if (index >= files_.size()) {
        return absl::OkStatus();
      }
      Status adopted = cancel_.Check();
      if (adopted.ok()) {
        adopted = Annotate(AdoptOne(files_[index]), files_[index].path);
      }
      if (!adopted.ok()) {
        next_ = files_.size();  // the other thread need not go on
        return adopted;
      }
    }
  }

 private:
  Status AdoptOne(WrittenFile& file) {
    const UniqueFd fd(
        ::openat(directory_fd_, file.path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd.valid()) {
      return ErrnoStatus(errno, "open");
    }
    if (file.size <= blob::BlobStore::kInlineBytes) {
      ASSIGN_OR_RETURN(const std::string data, ReadAt(fd.get(), 0, file.size + 1));
      if (data.size() != file.size) {
        return absl::DataLossError("the file changed while it was read");
      }
      ASSIGN_OR_RETURN(file.digest, blobs_.Put(data));
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(file.digest, Hash(fd.get(), file.size));
    return blobs_.Adopt(directory_fd_, file.path, *file.digest, file.size).status();
  }

  StatusOr<Digest> Hash(int fd, uint64_t size) {
    const std::unique_ptr<char[]> buffer(new char[kBufferBytes]);
    Hasher hasher;
    uint64_t done = 0;
    for (;;) {
      RETURN_IF_ERROR(cancel_.Check());
      const ssize_t count = ::read(fd, buffer.get(), kBufferBytes);
      if (count < 0 && errno == EINTR) {
        continue;
      }
      if (count < 0) {
        return ErrnoStatus(errno, "read");
      }
      if (count == 0) {
        break;
      }
      hasher.Update(string_view(buffer.get(), static_cast<size_t>(count)));
      done += static_cast<uint64_t>(count);
    }
    if (done != size) {
      return absl::DataLossError("the file changed while it was read");
    }
    return hasher.Finish();
  }

  blob::BlobStore& blobs_;
  const int directory_fd_;
  std::vector<WrittenFile>& files_;
  const CancelToken& cancel_;
  std::atomic<size_t> next_ = 0;
};

}  // namespace

Status AdoptFiles(blob::BlobStore& blobs, int directory_fd, std::vector<WrittenFile>& files,
                  const CancelToken& cancel) {
  uint64_t bytes = 0;
  for (const WrittenFile& file : files) {
    bytes += file.size;
  }
  Adoption adoption(blobs, directory_fd, files, cancel);
  if (files.size() < 2 || (bytes <= kBytesForTwoThreads && files.size() <= kFilesForTwoThreads)) {
    return adoption.Run();
  }
  Status other;
  std::thread thread = StartThread("adopt", [&] { other = adoption.Run(); });
  Status own = adoption.Run();
  thread.join();
  own.Update(other);
  return own;
}

}  // namespace cairn::snapshot
