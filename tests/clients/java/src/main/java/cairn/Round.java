// A round with the AWS SDK for Java v2, with its default settings: the synchronous and the asynchronous client.
package cairn;

import java.io.InputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3Configuration;
import software.amazon.awssdk.services.s3.model.NoSuchKeyException;
import software.amazon.awssdk.services.s3.model.ObjectIdentifier;
import software.amazon.awssdk.services.s3.model.S3Exception;
import software.amazon.awssdk.services.s3.presigner.S3Presigner;
import software.amazon.awssdk.transfer.s3.S3TransferManager;

public final class Round {
    private static final String BUCKET = System.getenv("BUCKET");
    private static final URI ENDPOINT = URI.create(System.getenv("ENDPOINT"));
    private static final Region REGION = Region.of(System.getenv("REGION"));
    private static final StaticCredentialsProvider KEYS = StaticCredentialsProvider.create(
            AwsBasicCredentials.create(System.getenv("ACCESS_KEY"), System.getenv("SECRET_KEY")));

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    private static byte[] random(int length) {
        byte[] body = new byte[length];
        new Random(length).nextBytes(body);
        return body;
    }

    private static byte[] read(S3Client client, String key) {
        return client.getObjectAsBytes(request -> request.bucket(BUCKET).key(key)).asByteArray();
    }

    public static void main(String[] arguments) throws Exception {
        try (S3Client client = S3Client.builder().endpointOverride(ENDPOINT).region(REGION).credentialsProvider(KEYS)
                .forcePathStyle(true).build()) {
            client.createBucket(request -> request.bucket(BUCKET));
            small(client);
            large(client);
            listing(client);
            client.deleteBucket(request -> request.bucket(BUCKET));
        }
    }

    private static void small(S3Client client) throws Exception {
        byte[] small = random(1000);
        client.putObject(request -> request.bucket(BUCKET).key("small & ü").metadata(Map.of("color", "red")),
                RequestBody.fromBytes(small));
        check(Arrays.equals(read(client, "small & ü"), small), "small differs");
        String color = client.headObject(request -> request.bucket(BUCKET).key("small & ü")).metadata().get("color");
        check("red".equals(color), "metadata differs");
        try {
            read(client, "absent");
            throw new AssertionError("an absent object is read");
        } catch (NoSuchKeyException absent) {
            check(absent.statusCode() == 404, "the status of an absent object");
        }
        try {
            client.putObject(request -> request.bucket(BUCKET).key("small & ü").ifNoneMatch("*"), RequestBody.empty());
            throw new AssertionError("a second one is taken");
        } catch (S3Exception refused) {
            check("PreconditionFailed".equals(refused.awsErrorDetails().errorCode()), "the code of a second one");
        }
        S3Configuration pathStyle = S3Configuration.builder().pathStyleAccessEnabled(true).build();
        try (S3Presigner presigner = S3Presigner.builder().endpointOverride(ENDPOINT).region(REGION)
                .credentialsProvider(KEYS).serviceConfiguration(pathStyle).build()) {
            var signed = presigner.presignGetObject(presign -> presign.signatureDuration(Duration.ofMinutes(1))
                    .getObjectRequest(request -> request.bucket(BUCKET).key("small & ü")));
            try (InputStream answer = signed.url().openStream()) {
                check(Arrays.equals(answer.readAllBytes(), small), "presigned differs");
            }
        }
    }

    /** A file in parts and back by the transfer manager. */
    private static void large(S3Client client) throws Exception {
        byte[] large = random((30 << 20) + 7);
        Path file = Files.write(Path.of("large"), large);
        Path back = Path.of("back");
        try (S3AsyncClient parallel = S3AsyncClient.builder().endpointOverride(ENDPOINT).region(REGION)
                        .credentialsProvider(KEYS).forcePathStyle(true).multipartEnabled(true).build();
                S3TransferManager transfers = S3TransferManager.builder().s3Client(parallel).build()) {
            transfers.uploadFile(upload -> upload.putObjectRequest(request -> request.bucket(BUCKET).key("large"))
                    .source(file)).completionFuture().join();
            transfers.downloadFile(download -> download.getObjectRequest(request -> request.bucket(BUCKET).key("large"))
                    .destination(back)).completionFuture().join();
        }
        check(Arrays.equals(Files.readAllBytes(back), large), "large differs");
        client.copyObject(request -> request.sourceBucket(BUCKET).sourceKey("large").destinationBucket(BUCKET)
                .destinationKey("copy"));
        check(Arrays.equals(read(client, "copy"), large), "copy differs");
        byte[] range = client.getObjectAsBytes(request -> request.bucket(BUCKET).key("large").range("bytes=8388600-8388620"))
                .asByteArray();
        check(Arrays.equals(range, Arrays.copyOfRange(large, 8388600, 8388621)), "range differs");
    }

    private static void listing(S3Client client) {
        for (int number = 0; number < 25; number++) {
            String key = "many/" + number;
            client.putObject(request -> request.bucket(BUCKET).key(key), RequestBody.empty());
        }
        List<ObjectIdentifier> listed = new ArrayList<>();
        client.listObjectsV2Paginator(request -> request.bucket(BUCKET).maxKeys(7)).contents()
                .forEach(one -> listed.add(ObjectIdentifier.builder().key(one.key()).build()));
        check(listed.size() == 28, listed.size() + " objects are listed");
        var deleted = client.deleteObjects(request -> request.bucket(BUCKET).delete(delete -> delete.objects(listed)));
        check(deleted.deleted().size() == 28 && !deleted.hasErrors(), "not all are deleted");
    }
}
