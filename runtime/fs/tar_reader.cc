#include "runtime/fs/tar_reader.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/fs/tar_header.h"
#include "runtime/fs/tar_pax.h"

namespace cairn::fs {
namespace {

constexpr size_t kBufferSize = 128 << 10;
constexpr size_t kMaxSegments = 1 << 20;

Status BadTar(string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("bad tar archive: ", what));
}

Status Beyond(string_view what, uint64_t limit) {
  return absl::ResourceExhaustedError(
      absl::StrCat("tar archive: ", what, " beyond the limit of ", limit));
}

uint64_t PaddingOf(uint64_t size) { return (kTarBlock - size % kTarBlock) % kTarBlock; }

bool HasData(char type) { return type == '0' || type == '\0' || type == '7' || type == 'S'; }

// Segments in order, without overlap, within the file, and as much data as is stored.
Status CheckSegments(const std::vector<TarSegment>& segments, uint64_t size, uint64_t stored) {
  uint64_t end = 0;
  uint64_t sum = 0;
  for (const TarSegment& segment : segments) {
    if (segment.offset < end || segment.offset > size || segment.size > size - segment.offset) {
      return BadTar("a sparse map out of order");
    }
    end = segment.offset + segment.size;
    sum += segment.size;
  }
  return sum == stored ? absl::OkStatus() : BadTar("a sparse map that does not match its data");
}

StatusOr<uint32_t> CheckedId(int64_t id) {
  if (id < 0 || id >= UINT32_MAX) {
    return BadTar(absl::StrCat("user or group id ", id));
  }
  return static_cast<uint32_t>(id);
}

}  // namespace

// A buffer over the source that reads blocks and knows truncation.
class TarReader::Input {
 public:
  explicit Input(ByteSource& source) : source_(source), buffer_(kBufferSize) {}

  StatusOr<size_t> Read(char* buffer, size_t size) {
    if (begin_ == end_) {
      if (size >= buffer_.size()) {
        return source_.Read(buffer, size);
      }
      RETURN_IF_ERROR(Fill());
    }
    const size_t count = std::min(size, end_ - begin_);
    std::memcpy(buffer, buffer_.data() + begin_, count);
    begin_ += count;
    return count;
  }

  // Reads exactly `size` bytes; at the very end returns false.
  StatusOr<bool> ReadExactly(char* buffer, size_t size) {
    size_t done = 0;
    while (done < size) {
      ASSIGN_OR_RETURN(const size_t got, Read(buffer + done, size - done));
      if (got == 0) {
        if (done == 0) {
          return false;
        }
        return BadTar("truncated");
      }
      done += got;
    }
    return true;
  }

  Status Skip(uint64_t size) {
    while (size > 0) {
      if (begin_ == end_) {
        RETURN_IF_ERROR(Fill());
        if (begin_ == end_) {
          return BadTar("truncated");
        }
      }
      const size_t count = static_cast<size_t>(std::min<uint64_t>(size, end_ - begin_));
      begin_ += count;
      size -= count;
    }
    return absl::OkStatus();
  }

 private:
  Status Fill() {
    begin_ = end_ = 0;
    ASSIGN_OR_RETURN(end_, source_.Read(buffer_.data(), buffer_.size()));
    return absl::OkStatus();
  }

  ByteSource& source_;
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

struct TarReader::State {
  State(ByteSource& source, const TarLimits& limits) : input(source), limits(limits) {}

  Status SkipEntry();
  StatusOr<bool> ReadHeader(TarHeader& header);
  StatusOr<std::string> ReadExtension(const TarHeader& header);
  StatusOr<TarEntry> MakeEntry(const TarHeader& header);
  Status SetNames(const TarHeader& header, TarEntry& entry);
  Status SetMetadata(const TarHeader& header, TarEntry& entry);
  Status SetSize(const TarHeader& header, TarEntry& entry);
  Status SetSparse(const TarHeader& header, TarEntry& entry);
  Status ReadOldSparseMap(const TarHeader& header);
  Status ReadSparseMapFromData();
  StatusOr<uint64_t> ReadSparseLine();
  StatusOr<size_t> ReadData(char* buffer, size_t size);

  Input input;
  const TarLimits limits;
  uint64_t entries = 0;
  bool done = false;

  // Extensions read for the next entry.
  PaxRecords pax;
  std::optional<std::string> long_name;
  std::optional<std::string> long_link;

  // The entry in progress.
  uint64_t stored = 0;   // bytes of it left in the archive
  uint64_t padding = 0;  // zeros after them
  bool sparse = false;
  std::vector<TarSegment> segments;
  size_t segment = 0;
  uint64_t position = 0;
  uint64_t size = 0;
};

Status TarReader::State::SkipEntry() {
  const uint64_t rest = stored + padding;
  stored = padding = size = position = 0;
  sparse = false;
  segments.clear();
  segment = 0;
  return input.Skip(rest);
}

// Returns false at the end of the archive.
StatusOr<bool> TarReader::State::ReadHeader(TarHeader& header) {
  ASSIGN_OR_RETURN(const bool found, input.ReadExactly(header.data(), kTarBlock));
  if (!found) {
    return false;
  }
  if (header.IsZero()) {
    ASSIGN_OR_RETURN(const bool more, input.ReadExactly(header.data(), kTarBlock));
    if (more && !header.IsZero()) {
      return BadTar("data after a zero block");
    }
    return false;
  }
  if (!header.ChecksumMatches()) {
    return BadTar("a header with a wrong checksum");
  }
  return true;
}

StatusOr<std::string> TarReader::State::ReadExtension(const TarHeader& header) {
  ASSIGN_OR_RETURN(const int64_t length, header.number(tar_field::kSize));
  if (length < 0) {
    return BadTar("a negative size");
  }
  if (static_cast<uint64_t>(length) > limits.header_bytes) {
    return Beyond("an extended header", limits.header_bytes);
  }
  std::string data(static_cast<size_t>(length), '\0');
  if (!data.empty()) {
    ASSIGN_OR_RETURN(const bool found, input.ReadExactly(data.data(), data.size()));
    if (!found) {
      return BadTar("truncated");
    }
  }
  RETURN_IF_ERROR(input.Skip(PaddingOf(data.size())));
  return data;
}

Status TarReader::State::SetNames(const TarHeader& header, TarEntry& entry) {
  entry.path = std::string(header.text(tar_field::kName));
  entry.link_target = std::string(header.text(tar_field::kLinkName));
  if (header.raw(tar_field::kMagic).substr(0, 6) == string_view("ustar\0", 6)) {
    // The star program keeps times behind a shorter prefix and marks the block's end.
    const bool star = string_view(header.data() + 508, 4) == string_view("tar\0", 4);
    const TarField field = star ? TarField{tar_field::kPrefix.offset, 131} : tar_field::kPrefix;
    const string_view prefix = header.text(field);
    if (!prefix.empty()) {
      entry.path = absl::StrCat(prefix, "/", entry.path);
    }
  }
  entry.path = pax.path.value_or(entry.path);
  entry.link_target = pax.link_path.value_or(entry.link_target);
  if (pax.sparse_name.has_value()) {
    entry.path = *pax.sparse_name;
  }
  entry.path = long_name.value_or(entry.path);
  entry.link_target = long_link.value_or(entry.link_target);
  if (entry.path.find('\0') != std::string::npos) {
    return BadTar("a NUL byte in a name");
  }
  if (entry.path.size() > limits.path_bytes || entry.link_target.size() > limits.path_bytes) {
    return Beyond("a name", limits.path_bytes);
  }
  return absl::OkStatus();
}

Status TarReader::State::SetMetadata(const TarHeader& header, TarEntry& entry) {
  ASSIGN_OR_RETURN(const int64_t mode, header.number(tar_field::kMode));
  ASSIGN_OR_RETURN(const int64_t uid, header.number(tar_field::kUid));
  ASSIGN_OR_RETURN(const int64_t gid, header.number(tar_field::kGid));
  ASSIGN_OR_RETURN(const int64_t mtime, header.number(tar_field::kMtime));
  entry.metadata.mode = static_cast<uint32_t>(mode & 07777);
  ASSIGN_OR_RETURN(entry.metadata.uid, CheckedId(pax.uid.value_or(uid)));
  ASSIGN_OR_RETURN(entry.metadata.gid, CheckedId(pax.gid.value_or(gid)));
  entry.metadata.mtime_ns = pax.mtime_ns.value_or(ToNanoseconds(mtime, 0));
  entry.metadata.xattrs = std::move(pax.xattrs);
  return absl::OkStatus();
}

Status TarReader::State::SetSize(const TarHeader& header, TarEntry& entry) {
  if (entry.kind != Kind::kFile || entry.hard_link) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const int64_t length, header.number(tar_field::kSize));
  const int64_t chosen = pax.size.value_or(length);
  if (chosen < 0) {
    return BadTar("a negative size");
  }
  stored = size = static_cast<uint64_t>(chosen);
  padding = PaddingOf(stored);
  if (stored > limits.file_bytes) {
    return Beyond("a file's size", limits.file_bytes);
  }
  RETURN_IF_ERROR(SetSparse(header, entry));
  entry.size = size;
  return absl::OkStatus();
}

Status TarReader::State::SetSparse(const TarHeader& header, TarEntry& entry) {
  const bool old_format = header.data()[tar_field::kType.offset] == 'S';
  const bool in_data = pax.sparse_major == "1" && pax.sparse_minor == "0";
  const bool in_records =
      (pax.sparse_major == "0" && (pax.sparse_minor == "0" || pax.sparse_minor == "1")) ||
      (pax.sparse_major.empty() && pax.sparse_minor.empty() && pax.has_sparse_map);
  if (!old_format && !in_data && !in_records) {
    return absl::OkStatus();
  }
  int64_t real_size = 0;
  if (old_format) {
    ASSIGN_OR_RETURN(real_size, header.number(tar_field::kSparseRealSize));
  } else {
    real_size = pax.sparse_size.value_or(pax.sparse_real_size.value_or(entry.size));
  }
  if (real_size < 0) {
    return BadTar("a negative size");
  }
  if (static_cast<uint64_t>(real_size) > limits.sparse_file_bytes) {
    return Beyond("a sparse file's size", limits.sparse_file_bytes);
  }
  sparse = true;
  size = static_cast<uint64_t>(real_size);
  if (old_format) {
    RETURN_IF_ERROR(ReadOldSparseMap(header));
  } else if (in_data) {
    RETURN_IF_ERROR(ReadSparseMapFromData());
  } else {
    segments = std::move(pax.sparse_map);
  }
  return CheckSegments(segments, size, stored);
}

// GNU's old format: four segments in the header, more in blocks of 21 before the data.
Status TarReader::State::ReadOldSparseMap(const TarHeader& header) {
  const auto add = [this](string_view raw) -> StatusOr<bool> {
    if (raw[0] == '\0') {
      return false;
    }
    ASSIGN_OR_RETURN(const int64_t offset, ParseTarNumber(raw.substr(0, 12)));
    ASSIGN_OR_RETURN(const int64_t length, ParseTarNumber(raw.substr(12, 12)));
    if (offset < 0 || length < 0 || segments.size() >= kMaxSegments) {
      return BadTar("a bad sparse map");
    }
    segments.push_back({static_cast<uint64_t>(offset), static_cast<uint64_t>(length)});
    return true;
  };
  const auto add_all = [&add](string_view raw) -> Status {
    for (; raw.size() >= 24; raw.remove_prefix(24)) {
      ASSIGN_OR_RETURN(const bool more, add(raw));
      if (!more) {
        break;
      }
    }
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(add_all(header.raw(tar_field::kSparseSegments)));
  bool extended = header.raw(tar_field::kSparseExtended)[0] != '\0';
  while (extended) {
    char block[kTarBlock];
    ASSIGN_OR_RETURN(const bool found, input.ReadExactly(block, sizeof block));
    if (!found) {
      return BadTar("truncated");
    }
    const size_t before = segments.size();
    RETURN_IF_ERROR(add_all(string_view(block, 504)));
    extended = block[504] != '\0';
    if (extended && segments.size() != before + 21) {
      return BadTar("a bad sparse map");
    }
  }
  return absl::OkStatus();
}

StatusOr<uint64_t> TarReader::State::ReadSparseLine() {
  std::string line;
  for (;;) {
    char byte = 0;
    if (stored == 0) {
      return BadTar("a truncated sparse map");
    }
    ASSIGN_OR_RETURN(const size_t got, input.Read(&byte, 1));
    if (got == 0) {
      return BadTar("truncated");
    }
    --stored;
    if (byte == '\n') {
      break;
    }
    line += byte;
    if (line.size() > 20) {
      return BadTar("a bad sparse map");
    }
  }
  ASSIGN_OR_RETURN(const int64_t value, ParsePaxNumber(line));
  if (value < 0) {
    return BadTar("a bad sparse map");
  }
  return static_cast<uint64_t>(value);
}

// Format 1.0: the map is text in whole blocks before the data.
Status TarReader::State::ReadSparseMapFromData() {
  const uint64_t before = stored;
  ASSIGN_OR_RETURN(const uint64_t count, ReadSparseLine());
  if (count > kMaxSegments) {
    return Beyond("a sparse map", kMaxSegments);
  }
  for (uint64_t i = 0; i < count; ++i) {
    TarSegment next;
    ASSIGN_OR_RETURN(next.offset, ReadSparseLine());
    ASSIGN_OR_RETURN(next.size, ReadSparseLine());
    segments.push_back(next);
  }
  const uint64_t rest = PaddingOf(before - stored);
  if (rest > stored) {
    return BadTar("a truncated sparse map");
  }
  stored -= rest;
  return input.Skip(rest);
}

StatusOr<TarEntry> TarReader::State::MakeEntry(const TarHeader& header) {
  TarEntry entry;
  RETURN_IF_ERROR(SetNames(header, entry));
  const char type = header.data()[tar_field::kType.offset];
  switch (type) {
    case '1':
      entry.hard_link = true;
      break;
    case '2':
      entry.kind = Kind::kSymlink;
      break;
    case '3':
      entry.kind = Kind::kCharDevice;
      break;
    case '4':
      entry.kind = Kind::kBlockDevice;
      break;
    case '5':
      entry.kind = Kind::kDirectory;
      break;
    case '6':
      entry.kind = Kind::kFifo;
      break;
    default:
      if (!HasData(type)) {
        return BadTar(absl::StrCat("an entry of the unknown type ", static_cast<int>(type)));
      }
      if (type != 'S' && absl::EndsWith(entry.path, "/")) {
        entry.kind = Kind::kDirectory;
      }
  }
  if (entry.kind == Kind::kDirectory) {
    while (!entry.path.empty() && entry.path.back() == '/') {
      entry.path.pop_back();
    }
  }
  if (entry.kind != Kind::kSymlink && !entry.hard_link) {
    entry.link_target.clear();
  } else if (entry.link_target.empty()) {
    return BadTar("a link without a target");
  }
  if (entry.kind == Kind::kCharDevice || entry.kind == Kind::kBlockDevice) {
    ASSIGN_OR_RETURN(const int64_t major, header.number(tar_field::kDevMajor));
    ASSIGN_OR_RETURN(const int64_t minor, header.number(tar_field::kDevMinor));
    if (major < 0 || minor < 0 || major > UINT32_MAX || minor > UINT32_MAX) {
      return BadTar("a bad device number");
    }
    entry.device = makedev(static_cast<unsigned>(major), static_cast<unsigned>(minor));
  }
  RETURN_IF_ERROR_IN(SetMetadata(header, entry), entry.path);
  RETURN_IF_ERROR_IN(SetSize(header, entry), entry.path);
  return entry;
}

StatusOr<size_t> TarReader::State::ReadData(char* buffer, size_t wanted) {
  wanted = static_cast<size_t>(std::min<uint64_t>(wanted, size - position));
  if (wanted == 0) {
    return size_t{0};
  }
  if (sparse) {
    while (segment < segments.size() &&
           position >= segments[segment].offset + segments[segment].size) {
      ++segment;
    }
    const uint64_t data_at = segment < segments.size() ? segments[segment].offset : size;
    if (position < data_at) {
      const size_t hole = static_cast<size_t>(std::min<uint64_t>(wanted, data_at - position));
      std::memset(buffer, 0, hole);
      position += hole;
      return hole;
    }
    wanted = static_cast<size_t>(
        std::min<uint64_t>(wanted, segments[segment].offset + segments[segment].size - position));
  }
  ASSIGN_OR_RETURN(const size_t got, input.Read(buffer, wanted));
  if (got == 0) {
    return BadTar("truncated");
  }
  stored -= got;
  position += got;
  return got;
}

TarReader::TarReader(ByteSource& source, const TarLimits& limits)
    : state_(std::make_unique<State>(source, limits)) {}

TarReader::~TarReader() = default;

StatusOr<std::optional<TarEntry>> TarReader::Next() {
  State& state = *state_;
  if (state.done) {
    return std::nullopt;
  }
  RETURN_IF_ERROR(state.SkipEntry());
  state.pax = PaxRecords();
  state.long_name.reset();
  state.long_link.reset();
  for (;;) {
    TarHeader header;
    ASSIGN_OR_RETURN(const bool found, state.ReadHeader(header));
    if (!found) {
      state.done = true;
      return std::nullopt;
    }
    if (++state.entries > state.limits.entries) {
      return Beyond("the number of entries", state.limits.entries);
    }
    const char type = header.data()[tar_field::kType.offset];
    if (type == 'x' || type == 'g' || type == 'L' || type == 'K') {
      ASSIGN_OR_RETURN(const std::string data, state.ReadExtension(header));
      const std::string text = data.substr(0, data.find('\0'));
      if (type == 'x') {
        ASSIGN_OR_RETURN(state.pax, ParsePaxRecords(data));
      } else if (type == 'L') {
        state.long_name = text;
      } else if (type == 'K') {
        state.long_link = text;
      }
      continue;
    }
    ASSIGN_OR_RETURN(TarEntry entry, state.MakeEntry(header));
    return entry;
  }
}

StatusOr<size_t> TarReader::Read(char* buffer, size_t size) {
  return state_->ReadData(buffer, size);
}

}  // namespace cairn::fs
