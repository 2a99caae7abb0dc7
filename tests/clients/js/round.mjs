// A round with the AWS SDK for JavaScript v3, with its default settings.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";

import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const { ENDPOINT, ACCESS_KEY, SECRET_KEY, REGION, BUCKET: Bucket } = process.env;
const client = new S3Client({
  endpoint: ENDPOINT,
  region: REGION,
  forcePathStyle: true,
  credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
});
const send = (command) => client.send(command);
const read = async (input) => Buffer.from(await (await send(new GetObjectCommand({ Bucket, ...input }))).Body.transformToByteArray());

await send(new CreateBucketCommand({ Bucket }));
const small = randomBytes(1000);
await send(new PutObjectCommand({ Bucket, Key: "small & ü", Body: small, Metadata: { color: "red" } }));
assert.deepEqual(await read({ Key: "small & ü" }), small);
assert.equal((await send(new HeadObjectCommand({ Bucket, Key: "small & ü" }))).Metadata.color, "red");

// A stream, in parts, with the checksums that the SDK makes by itself.
const large = randomBytes(18 * 1024 * 1024 + 5);
const upload = new Upload({ client, params: { Bucket, Key: "large", Body: Readable.from([large.subarray(0, 9_000_000), large.subarray(9_000_000)]) } });
await upload.done();
assert.deepEqual(await read({ Key: "large" }), large);
assert.deepEqual(await read({ Key: "large", Range: "bytes=5242870-5242890" }), large.subarray(5242870, 5242891));

await send(new CopyObjectCommand({ Bucket, Key: "copy", CopySource: `${Bucket}/large` }));
assert.deepEqual(await read({ Key: "copy" }), large);
await assert.rejects(read({ Key: "absent" }), { name: "NoSuchKey" });
await assert.rejects(send(new PutObjectCommand({ Bucket, Key: "copy", Body: small, IfNoneMatch: "*" })), { name: "PreconditionFailed" });

const url = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: "small & ü" }), { expiresIn: 60 });
assert.deepEqual(Buffer.from(await (await fetch(url)).arrayBuffer()), small);

for (let number = 0; number < 25; number++) {
  await send(new PutObjectCommand({ Bucket, Key: `many/${number}`, Body: "" }));
}
const listed = [];
for await (const page of paginateListObjectsV2({ client, pageSize: 7 }, { Bucket })) {
  listed.push(...page.Contents.map(({ Key }) => ({ Key })));
}
assert.equal(listed.length, 28);
const deleted = await send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: listed } }));
assert.equal(deleted.Deleted.length, 28);
await send(new DeleteBucketCommand({ Bucket }));
