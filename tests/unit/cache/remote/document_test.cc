#include "cache/remote/document.h"

#include "tests/unit/testing.h"

namespace cairn::remote {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

registry::Descriptor Layer(const std::string& name) {
  return {.media_type = registry::media_type::kOciLayerGzip,
          .digest = Digest::Of(name),
          .size = name.size(),
          .annotations = {{kDiffIdAnnotation, Digest::Of(name + " plain").ToString()},
                          {kCreatedAnnotation, "2026-01-02T03:04:05.5Z"}}};
}

CacheDocument Document() {
  CacheDocument document;
  document.layers.push_back({.blob = Layer("one"), .diff_id = {}});
  document.records.push_back(
      {.key = Digest::Of("key"),
       .outputs = {{.base_input = 1, .content = Digest::Of("content"), .layers = {{0}}},
                   {.base_input = -1, .content = Digest::Of("other"), .layers = {}}},
       .selections = {{Digest::Of("a"), Digest::Of("b"), Digest::Of("c")}},
       .duration = absl::Milliseconds(12)});
  return document;
}

TEST(DocumentTest, AConfigIsReadAsItWasWritten) {
  ASSERT_OK_AND_ASSIGN(const CacheDocument read,
                       DecodeConfig(EncodeConfig(Document()), {Layer("one"), Layer("two")}));
  ASSERT_THAT(read.layers, SizeIs(1));
  EXPECT_EQ(read.layers[0].blob, Layer("one"));
  EXPECT_EQ(read.layers[0].diff_id, Digest::Of("one plain"));
  EXPECT_EQ(absl::ToUnixMillis(read.layers[0].created), 1767323045500);
  ASSERT_THAT(read.records, SizeIs(1));
  const DocumentRecord& record = read.records[0];
  EXPECT_EQ(record.key, Digest::Of("key"));
  ASSERT_THAT(record.outputs, SizeIs(2));
  EXPECT_EQ(record.outputs[0].base_input, 1);
  EXPECT_EQ(record.outputs[0].content, Digest::Of("content"));
  EXPECT_THAT(*record.outputs[0].layers, ElementsAre(0));
  EXPECT_FALSE(record.outputs[1].layers.has_value());
  EXPECT_EQ(record.selections, Document().records[0].selections);
  EXPECT_EQ(record.duration, absl::Milliseconds(12));
}

TEST(DocumentTest, InlineRecordsSayNothingOfTimes) {
  CacheDocument document = Document();
  const std::string text = EncodeRecords(document.records);
  document.records[0].duration = absl::Seconds(5);
  EXPECT_EQ(EncodeRecords(document.records), text);
  ASSERT_OK_AND_ASSIGN(const CacheDocument read,
                       DecodeRecords(text, {{.blob = Layer("one"), .diff_id = {}}}));
  EXPECT_THAT(read.records, SizeIs(1));
}

TEST(DocumentTest, RecordsOfOthersAndMalformedOnesAreMisses) {
  const std::string key = Digest::Of("key").ToString();
  const std::string content = Digest::Of("content").ToString();
  const auto records = [](const std::string& items) {
    return DecodeConfig(R"({"layers":[],"records":[)" + items + "]}", {});
  };
  for (const std::string& item : {
           // BuildKit's own.
           R"({"digest":")" + key + R"(","layers":[{"layer":0}],"inputs":[[{"link":0}]]})",
           // Of a later version.
           R"({"digest":")" + key + R"(","cairn":{"version":2,"outputs":[{"base":-1,"content":")" +
               content + R"("}]}})",
           // A layer that is not there; a base that cannot be; a digest that is none; no outputs.
           R"({"digest":")" + key + R"(","cairn":{"version":1,"outputs":[{"base":-1,"content":")" +
               content + R"(","layers":[0]}]}})",
           R"({"digest":")" + key + R"(","cairn":{"version":1,"outputs":[{"base":-2,"content":")" +
               content + R"("}]}})",
           R"({"digest":")" + key +
               R"(","cairn":{"version":1,"outputs":[{"base":-1,"content":"sha256:x"}]}})",
           R"({"digest":")" + key + R"(","cairn":{"version":1}})",
           std::string("7"),
       }) {
    ASSERT_OK_AND_ASSIGN(const CacheDocument read, records(item));
    EXPECT_THAT(read.records, IsEmpty()) << item;
  }
}

TEST(DocumentTest, WhatIsNoDocumentIsRefused) {
  for (const char* text : {"", "[]", "{", R"({"records":7})"}) {
    EXPECT_THAT(DecodeConfig(text, {}), StatusIs(absl::StatusCode::kInvalidArgument, _)) << text;
  }
  EXPECT_THAT(DecodeConfig(EncodeConfig(Document()), {Layer("two")}),
              StatusIs(absl::StatusCode::kInvalidArgument, _));
}

}  // namespace
}  // namespace cairn::remote
