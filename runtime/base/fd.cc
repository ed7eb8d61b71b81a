#include "runtime/base/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace cairn {

void UniqueFd::Reset(int fd) {
  if (fd_ >= 0 && fd_ != fd) {
    ::close(fd_);
  }
  fd_ = fd;
}

StatusOr<FdPair> MakePipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) {
    return ErrnoStatus(errno, "pipe");
  }
  return FdPair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Status WriteAll(int fd, string_view data) {
  while (!data.empty()) {
    const ssize_t written = ::write(fd, data.data(), data.size());
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      if (errno == EPIPE) {
        return absl::UnavailableError("write: the reader is gone");
      }
      return ErrnoStatus(errno, "write");
    }
    data.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

StatusOr<std::string> ReadAll(int fd, uint64_t limit) {
  std::string data;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0) {
      if (errno == EINTR) {
        continue;
      }
      return ErrnoStatus(errno, "read");
    }
    if (got == 0) {
      return data;
    }
    if (data.size() + static_cast<size_t>(got) > limit) {
      return absl::ResourceExhaustedError(absl::StrCat("read: more than ", limit, " bytes"));
    }
    data.append(buffer, static_cast<size_t>(got));
  }
}

StatusOr<std::string> ReadAt(int fd, uint64_t offset, uint64_t size) {
  std::string data(size, '\0');
  uint64_t done = 0;
  while (done < size) {
    const ssize_t got =
        ::pread(fd, data.data() + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0) {
      if (errno == EINTR) {
        continue;
      }
      return ErrnoStatus(errno, "pread");
    }
    if (got == 0) {
      break;
    }
    done += static_cast<uint64_t>(got);
  }
  data.resize(done);
  return data;
}

StatusOr<std::string> ReadFile(const std::string& path, uint64_t limit) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    return ErrnoStatus(errno, absl::StrCat("open ", path));
  }
  ASSIGN_OR_RETURN_IN(std::string data, ReadAll(fd.get(), limit), path);
  return data;
}

Status WriteFileDurably(const std::string& path, string_view data, mode_t mode) {
  const std::string temporary = absl::StrCat(path, ".new");
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!fd.valid()) {
    return ErrnoStatus(errno, absl::StrCat("create ", temporary));
  }
  RETURN_IF_ERROR_IN(WriteAll(fd.get(), data), temporary);
  if (::fsync(fd.get()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("fsync ", temporary));
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("rename to ", path));
  }
  UniqueFd parent(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.valid() || ::fsync(parent.get()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("fsync ", directory));
  }
  return absl::OkStatus();
}

}  // namespace cairn
