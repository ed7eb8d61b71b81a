// Tar archives in memory, for tests.
#pragma once

#include <string>
#include <vector>

#include "runtime/fs/byte_stream.h"
#include "runtime/fs/tar_reader.h"
#include "runtime/fs/tar_writer.h"
#include "tests/unit/testing.h"

namespace cairn::testing {

struct TarMember {
  fs::TarEntry entry;
  std::string data;
};

inline TarMember TarFile(std::string path, std::string data, uint32_t mode = 0644) {
  TarMember member;
  member.entry.path = std::move(path);
  member.entry.metadata.mode = mode;
  member.entry.size = data.size();
  member.data = std::move(data);
  return member;
}

inline TarMember TarDirectory(std::string path, uint32_t mode = 0755) {
  TarMember member;
  member.entry.path = std::move(path);
  member.entry.kind = fs::Kind::kDirectory;
  member.entry.metadata.mode = mode;
  return member;
}

inline TarMember TarSymlink(std::string path, std::string target) {
  TarMember member;
  member.entry.path = std::move(path);
  member.entry.kind = fs::Kind::kSymlink;
  member.entry.link_target = std::move(target);
  member.entry.metadata.mode = 0777;
  return member;
}

inline TarMember TarHardLink(std::string path, std::string target) {
  TarMember member;
  member.entry.path = std::move(path);
  member.entry.hard_link = true;
  member.entry.link_target = std::move(target);
  return member;
}

inline std::string MakeTar(const std::vector<TarMember>& members) {
  std::string tar;
  fs::StringSink sink(&tar);
  fs::TarWriter writer(sink);
  for (const TarMember& member : members) {
    EXPECT_OK(writer.Add(member.entry));
    if (!member.data.empty()) {
      EXPECT_OK(writer.Write(member.data));
    }
  }
  EXPECT_OK(writer.Finish());
  return tar;
}

// All members of `tar`.
inline std::vector<TarMember> ReadTar(const std::string& tar) {
  fs::StringSource source(tar);
  fs::TarReader reader(source);
  std::vector<TarMember> members;
  for (;;) {
    auto entry = reader.Next();
    EXPECT_OK(entry);
    if (!entry.ok() || !*entry) {
      return members;
    }
    TarMember member{**entry, ""};
    if (member.entry.kind == fs::Kind::kFile && !member.entry.hard_link) {
      member.data = *fs::ReadToEnd(reader, 1 << 30);
    }
    members.push_back(std::move(member));
  }
}

// The names in `tar`, hard links with their targets.
inline std::vector<std::string> TarNames(const std::string& tar) {
  std::vector<std::string> names;
  for (const TarMember& member : ReadTar(tar)) {
    names.push_back(member.entry.hard_link
                        ? member.entry.path + " = " + member.entry.link_target
                        : member.entry.path +
                              (member.entry.kind == fs::Kind::kDirectory ? "/" : ""));
  }
  return names;
}

}  // namespace cairn::testing
