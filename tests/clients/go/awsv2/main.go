// A round with the AWS SDK for Go v2, with its default settings.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func check(holds bool, what string, more ...any) {
	if !holds {
		log.Fatalf(what, more...)
	}
}

func random(length int) []byte {
	body := make([]byte, length)
	rand.New(rand.NewSource(int64(length))).Read(body)
	return body
}

func main() {
	ctx := context.Background()
	bucket := aws.String(os.Getenv("BUCKET"))
	keys := credentials.NewStaticCredentialsProvider(os.Getenv("ACCESS_KEY"), os.Getenv("SECRET_KEY"), "")
	settings := must(config.LoadDefaultConfig(ctx, config.WithRegion(os.Getenv("REGION")), config.WithCredentialsProvider(keys)))
	client := s3.NewFromConfig(settings, func(options *s3.Options) {
		options.BaseEndpoint = aws.String(os.Getenv("ENDPOINT"))
		options.UsePathStyle = true
	})

	must(client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}))
	small := random(1000)
	must(client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("small & ü"), Body: bytes.NewReader(small), Metadata: map[string]string{"color": "red"}}))
	got := must(client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("small & ü")}))
	check(bytes.Equal(must(io.ReadAll(got.Body)), small), "small differs")
	check(got.Metadata["color"] == "red", "metadata differs: %v", got.Metadata)

	// Of a length that the SDK does not know, in parts, with the checksums that it makes by itself.
	large := random(23<<20 + 7)
	must(manager.NewUploader(client).Upload(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("large"), Body: io.MultiReader(bytes.NewReader(large))}))
	back := manager.NewWriteAtBuffer(make([]byte, 0, len(large)))
	must(manager.NewDownloader(client).Download(ctx, back, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("large")}))
	check(bytes.Equal(back.Bytes(), large), "large differs")
	part := must(client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("large"), Range: aws.String("bytes=8388600-8388620")}))
	check(bytes.Equal(must(io.ReadAll(part.Body)), large[8388600:8388621]), "range differs")

	source := *bucket + "/large"
	must(client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("copy"), CopySource: &source}))
	head := must(client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("copy"), ChecksumMode: types.ChecksumModeEnabled}))
	check(*head.ContentLength == int64(len(large)), "copy is %d bytes long", *head.ContentLength)

	_, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("absent")})
	var absent *types.NoSuchKey
	check(errors.As(err, &absent), "absent: %v", err)
	_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("copy"), Body: bytes.NewReader(small), IfNoneMatch: aws.String("*")})
	var refused smithy.APIError
	check(errors.As(err, &refused) && refused.ErrorCode() == "PreconditionFailed", "a second one: %v", err)

	signed := must(s3.NewPresignClient(client).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("small & ü")}))
	answer := must(http.Get(signed.URL))
	check(bytes.Equal(must(io.ReadAll(answer.Body)), small), "presigned differs")

	for number := 0; number < 25; number++ {
		key := fmt.Sprintf("many/%02d", number)
		must(client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: bytes.NewReader(nil)}))
	}
	var gone []types.ObjectIdentifier
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: bucket, MaxKeys: aws.Int32(7)})
	for pages.HasMorePages() {
		for _, object := range must(pages.NextPage(ctx)).Contents {
			gone = append(gone, types.ObjectIdentifier{Key: object.Key})
		}
	}
	check(len(gone) == 28, "%d objects are listed", len(gone))
	deleted := must(client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: gone}}))
	check(len(deleted.Deleted) == 28 && len(deleted.Errors) == 0, "deleted: %v", deleted)
	must(client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket}))
}
