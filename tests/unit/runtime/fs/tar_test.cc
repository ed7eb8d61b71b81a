#include <sys/sysmacros.h>

#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "runtime/base/subprocess.h"
#include "runtime/fs/tar_header.h"
#include "runtime/fs/tar_reader.h"
#include "runtime/fs/tar_writer.h"
#include "tests/unit/testing.h"

namespace cairn::fs {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::_;
using ::testing::HasSubstr;

struct ReadBack {
  TarEntry entry;
  std::string data;
};

StatusOr<std::vector<ReadBack>> ReadTar(const std::string& tar, const TarLimits& limits = {}) {
  StringSource source(tar);
  TarReader reader(source, limits);
  std::vector<ReadBack> all;
  for (;;) {
    ASSIGN_OR_RETURN(const std::optional<TarEntry> entry, reader.Next());
    if (!entry.has_value()) {
      return all;
    }
    ASSIGN_OR_RETURN(const std::string data, ReadToEnd(reader, 1 << 20));
    all.push_back({*entry, data});
  }
}

// A raw entry, for archives that TarWriter would not write.
std::string RawEntry(char type, const std::string& name, const std::string& data,
                     int64_t size = -1) {
  TarHeader header;
  header.SetText(tar_field::kName, name);
  header.SetNumber(tar_field::kMode, 0644);
  header.SetNumber(tar_field::kSize, size < 0 ? static_cast<int64_t>(data.size()) : size);
  header.data()[tar_field::kType.offset] = type;
  header.SetText(tar_field::kMagic, string_view("ustar\00000", 8));
  header.SetChecksum();
  std::string raw(header.data(), kTarBlock);
  raw += data;
  raw.resize((raw.size() + kTarBlock - 1) / kTarBlock * kTarBlock);
  return raw;
}

std::string End() { return std::string(1024, '\0'); }

std::string PaxRecord(const std::string& key, const std::string& value) {
  const std::string rest = absl::StrCat(" ", key, "=", value, "\n");
  size_t size = rest.size() + 1;
  while (absl::StrCat(size).size() + rest.size() != size) {
    ++size;
  }
  return absl::StrCat(size, rest);
}

TEST(TarTest, RoundTripOfEveryKind) {
  std::string tar;
  StringSink sink(&tar);
  TarWriter writer(sink);
  std::vector<TarEntry> entries(7);
  entries[0] = {.path = "dir", .kind = Kind::kDirectory, .metadata = {.mode = 01777}};
  entries[1] = {.path = "dir/" + std::string(200, 'n') + "\xff\xc3\xa9",
                .metadata = {.mode = 04755, .uid = 3'000'000, .gid = 4, .mtime_ns = 1'000'000'000},
                .size = 600};
  entries[1].metadata.xattrs["security.capability"] = std::string("\1\0\n=", 4);
  entries[2] = {.path = "link", .kind = Kind::kSymlink, .link_target = std::string(150, 't')};
  entries[3] = {.path = "hard", .hard_link = true, .link_target = "dir/x"};
  entries[4] = {.path = "dev", .kind = Kind::kCharDevice, .device = makedev(5, 300)};
  entries[5] = {.path = "fifo", .kind = Kind::kFifo};
  entries[6] = {.path = "old", .metadata = {.mtime_ns = -3'000'000'000}};
  for (const TarEntry& entry : entries) {
    ASSERT_OK(writer.Add(entry));
    ASSERT_OK(writer.Write(std::string(entry.size, 'd')));
  }
  ASSERT_OK(writer.Finish());
  ASSERT_OK_AND_ASSIGN(const std::vector<ReadBack> read, ReadTar(tar));
  ASSERT_EQ(read.size(), entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(read[i].entry.path, entries[i].path);
    EXPECT_EQ(read[i].entry.kind, entries[i].kind);
    EXPECT_EQ(read[i].entry.hard_link, entries[i].hard_link);
    EXPECT_EQ(read[i].entry.link_target, entries[i].link_target);
    EXPECT_EQ(read[i].entry.metadata, entries[i].metadata) << i;
    EXPECT_EQ(read[i].entry.device, entries[i].device);
    EXPECT_EQ(read[i].data, std::string(entries[i].size, 'd'));
  }
}

TEST(TarTest, PlainEntriesArePureUstar) {
  std::string tar;
  StringSink sink(&tar);
  TarWriter writer(sink);
  ASSERT_OK(writer.AddFile({.path = "a", .metadata = {.mode = 0644}}, "hello"));
  ASSERT_OK(writer.Finish());
  EXPECT_EQ(tar.size(), 2048u);
  EXPECT_EQ(tar.substr(257, 8), std::string("ustar\00000", 8));
  EXPECT_EQ(tar.substr(100, 8), std::string("0000644\0", 8));
  // No user or group names.
  EXPECT_EQ(tar.substr(265, 64), std::string(64, '\0'));
}

// Every path of more than 100 bytes had a pax header, so that layers with deep directories had
// other digests than those that other builders make of the same files.
TEST(TarTest, LongNamesArePartedWhereAPrefixHoldsTheirStart) {
  const std::string d60(60, 'd');
  const struct {
    std::string path, prefix, name;
  } cases[] = {
      {d60 + "/" + d60, d60, d60},
      {d60 + "/" + d60 + "/" + d60 + "/f", d60 + "/" + d60, d60 + "/f"},
      {std::string(155, 'p') + "/" + std::string(100, 'n'), std::string(155, 'p'),
       std::string(100, 'n')},
      {d60 + "/" + d60 + "/", d60, d60 + "/"},
      {std::string(156, 'p') + "/n", "", std::string(100, 'p')},  // a pax header has it all
      {"p/" + std::string(101, 'n'), "", "p/" + std::string(98, 'n')},
  };
  for (const auto& [path, prefix, name] : cases) {
    std::string tar;
    StringSink sink(&tar);
    TarWriter writer(sink);
    const bool directory = path.back() == '/';
    ASSERT_OK(writer.Add({.path = path, .kind = directory ? Kind::kDirectory : Kind::kFile}));
    ASSERT_OK(writer.Finish());
    const std::string header = tar.substr(tar.size() - 3 * 512);
    EXPECT_STREQ(header.substr(345, 155).c_str(), prefix.c_str()) << path;
    EXPECT_STREQ(header.substr(0, 100).c_str(), name.c_str()) << path;
    EXPECT_EQ(tar.size(), prefix.empty() ? 2560u : 1536u) << path;
    ASSERT_OK_AND_ASSIGN(const std::vector<ReadBack> read, ReadTar(tar));
    ASSERT_EQ(read.size(), 1u);
    EXPECT_EQ(read[0].entry.path, directory ? path.substr(0, path.size() - 1) : path);
  }
}

TEST(TarTest, WriterHoldsEntriesToTheirSize) {
  std::string tar;
  StringSink sink(&tar);
  TarWriter writer(sink);
  ASSERT_OK(writer.Add({.path = "a", .size = 3}));
  EXPECT_THAT(writer.Write("1234"), StatusIs(absl::StatusCode::kFailedPrecondition, _));
  ASSERT_OK(writer.Write("12"));
  EXPECT_THAT(writer.Finish(), StatusIs(absl::StatusCode::kFailedPrecondition, _));
}

TEST(TarTest, ReadsGnuTarsFormats) {
  cairn::testing::TempDir temp;
  const std::string long_name = std::string(120, 'x') + "/" + std::string(120, 'y');
  temp.Write("in/" + long_name, "long");
  temp.Write("in/sparse", "");
  ASSERT_EQ(::truncate((temp / "in/sparse").c_str(), 900'000), 0);
  std::string expected(900'000, '\0');
  expected.replace(500'000, 4, "data");
  {
    std::fstream file(temp / "in/sparse", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(500'000);
    file << "data";
  }
  for (const std::vector<std::string>& format :
       std::vector<std::vector<std::string>>{{"--format=gnu"},
                                             {"--format=pax", "--sparse-version=0.0"},
                                             {"--format=pax", "--sparse-version=0.1"},
                                             {"--format=pax", "--sparse-version=1.0"}}) {
    std::vector<std::string> argv = {"tar", "-c", "-S", "--sort=name", "-C", temp / "in"};
    argv.insert(argv.end(), format.begin(), format.end());
    argv.push_back(".");
    ASSERT_OK_AND_ASSIGN(const CommandOutput out, RunCommand({.argv = argv}));
    ASSERT_EQ(out.exit_code, 0) << out.err;
    ASSERT_OK_AND_ASSIGN(const std::vector<ReadBack> read, ReadTar(out.out));
    ASSERT_EQ(read.size(), 4u);
    EXPECT_EQ(read[0].entry.path, ".");
    EXPECT_EQ(read[1].entry.path, "./sparse");
    EXPECT_EQ(read[1].entry.size, 900'000u);
    EXPECT_TRUE(read[1].data == expected) << format.back();
    EXPECT_EQ(read[3].entry.path, "./" + long_name);
    EXPECT_EQ(read[3].data, "long");
  }
}

TEST(TarTest, GnuTarReadsOurs) {
  cairn::testing::TempDir temp;
  std::string tar;
  StringSink sink(&tar);
  TarWriter writer(sink);
  const std::string name = std::string(130, 'n');
  ASSERT_OK(writer.AddFile({.path = name, .metadata = {.mode = 0600}}, "data"));
  ASSERT_OK(writer.Add({.path = "h", .hard_link = true, .link_target = name}));
  ASSERT_OK(writer.Finish());
  ASSERT_OK_AND_ASSIGN(const CommandOutput out,
                       RunCommand({.argv = {"tar", "-x", "-C", temp.path()}}, tar));
  EXPECT_EQ(out.exit_code, 0) << out.err;
  EXPECT_EQ(out.err, "");
  EXPECT_EQ(temp.Read("h"), "data");
}

TEST(TarTest, GlobalHeadersAreSkippedAndPaxSizeWins) {
  const std::string tar = RawEntry('g', "pax_global_header", PaxRecord("path", "evil")) +
                          RawEntry('x', "PaxHeaders/a", PaxRecord("size", "3")) +
                          RawEntry('0', "a", "abc", 0) + RawEntry('0', "b", "") + End();
  ASSERT_OK_AND_ASSIGN(const std::vector<ReadBack> read, ReadTar(tar));
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0].entry.path, "a");
  EXPECT_EQ(read[0].data, "abc");
}

TEST(TarTest, OverlayAttributesAreDropped) {
  const std::string tar = RawEntry('x', "p",
                                   PaxRecord("SCHILY.xattr.trusted.overlay.opaque", "y") +
                                       PaxRecord("SCHILY.xattr.user.ok", "1")) +
                          RawEntry('5', "d/", "") + End();
  ASSERT_OK_AND_ASSIGN(const std::vector<ReadBack> read, ReadTar(tar));
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(read[0].entry.path, "d");
  EXPECT_EQ(read[0].entry.metadata.xattrs.size(), 1u);
}

TEST(TarTest, EmptyArchives) {
  EXPECT_THAT(ReadTar(""), cairn::testing::IsOk());
  EXPECT_THAT(ReadTar(End()), cairn::testing::IsOk());
}

TEST(TarTest, HostileArchivesAreRefused) {
  const std::string good = RawEntry('0', "a", "abc");
  std::string bad_sum = good;
  bad_sum[0] = 'b';
  std::string negative = good;
  {
    TarHeader header;
    std::copy(good.begin(), good.begin() + kTarBlock, header.data());
    header.SetText(tar_field::kSize, std::string(12, '\xff'));
    header.SetChecksum();
    negative = std::string(header.data(), kTarBlock) + End();
  }
  const std::string cases[] = {
      bad_sum,
      negative,
      good.substr(0, 700),
      good.substr(0, 300),
      std::string(512, '\0') + good,
      RawEntry('x', "p", "999999 path=x\n") + good,
      RawEntry('x', "p", "5 a=b\n") + good,
      RawEntry('x', "p", "12 path=abcd") + good,
      RawEntry('x', "p", PaxRecord("path", std::string("a\0b", 3))) + good,
      RawEntry('x', "p", PaxRecord("size", "-1")) + good,
      RawEntry('x', "p", PaxRecord("size", "1e3")) + good,
      RawEntry('x', "p", PaxRecord("uid", "4294967297")) + good,
      RawEntry('x', "p", PaxRecord("GNU.sparse.map", "0,9") + PaxRecord("GNU.sparse.size", "5")) +
          good,
      RawEntry('x', "p",
               PaxRecord("GNU.sparse.map", "0,2,1,1") + PaxRecord("GNU.sparse.size", "5")) +
          good,
      RawEntry('2', "link", ""),
      RawEntry('V', "volume", ""),
  };
  for (const std::string& tar : cases) {
    EXPECT_THAT(ReadTar(tar), StatusIs(absl::StatusCode::kInvalidArgument, _)) << &tar - &cases[0];
  }
}

TEST(TarTest, LimitsHold) {
  const std::string many = RawEntry('0', "a", "") + RawEntry('0', "b", "") + End();
  EXPECT_THAT(ReadTar(many, {.entries = 1}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("entries")));
  EXPECT_THAT(ReadTar(RawEntry('L', "l", std::string(5000, 'x')) + many),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("name")));
  EXPECT_THAT(ReadTar(RawEntry('L', "l", "", 1 << 30) + many),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("header")));
  EXPECT_THAT(ReadTar(RawEntry('x', "p",
                               PaxRecord("GNU.sparse.size", "9000000000000000000") +
                                   PaxRecord("GNU.sparse.map", "0,0")) +
                      many),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("sparse")));
}

TEST(TarTest, MutatedArchivesAreReadOrRefused) {
  const std::string original =
      RawEntry('x', "p", PaxRecord("path", "long") + PaxRecord("SCHILY.xattr.user.a", "b")) +
      RawEntry('0', "a", "abc") +
      RawEntry('x', "p",
               PaxRecord("GNU.sparse.map", "0,2,4,1") + PaxRecord("GNU.sparse.size", "9")) +
      RawEntry('0', "sparse", "xyz") + RawEntry('L', "l", "name") + RawEntry('5', "d/", "") + End();
  std::mt19937 random(7);
  for (int i = 0; i < 3000; ++i) {
    std::string tar = original;
    for (int change = 0; change < 3; ++change) {
      tar[random() % tar.size()] = static_cast<char>(random());
    }
    // Headers get a right checksum again, so that what is behind it is reached.
    for (size_t at = 0; at + kTarBlock <= tar.size(); at += kTarBlock) {
      if (tar.compare(at + 257, 5, "ustar") == 0) {
        TarHeader header;
        std::copy_n(tar.begin() + at, kTarBlock, header.data());
        header.SetChecksum();
        std::copy_n(header.data(), kTarBlock, tar.begin() + at);
      }
    }
    const StatusOr<std::vector<ReadBack>> read = ReadTar(tar);
    EXPECT_TRUE(read.ok() || absl::IsInvalidArgument(read.status()) ||
                absl::IsResourceExhausted(read.status()))
        << read.status();
  }
}

}  // namespace
}  // namespace cairn::fs
