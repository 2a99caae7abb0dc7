// A round with minio-go, with its default settings.
package main

import (
	"bytes"
	"context"
	"io"
	"log"
	"math/rand"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
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

func main() {
	ctx := context.Background()
	bucket := os.Getenv("BUCKET")
	client := must(minio.New(strings.TrimPrefix(os.Getenv("ENDPOINT"), "http://"), &minio.Options{
		Creds:  credentials.NewStaticV4(os.Getenv("ACCESS_KEY"), os.Getenv("SECRET_KEY"), ""),
		Region: os.Getenv("REGION"),
	}))
	read := func(key string) []byte { return must(io.ReadAll(must(client.GetObject(ctx, bucket, key, minio.GetObjectOptions{})))) }
	small, large := make([]byte, 1000), make([]byte, 40<<20+3)
	rand.New(rand.NewSource(1)).Read(small)
	rand.New(rand.NewSource(2)).Read(large)

	check(client.MakeBucket(ctx, bucket, minio.MakeBucketOptions{}) == nil, "the bucket is not made")
	must(client.PutObject(ctx, bucket, "small & ü", bytes.NewReader(small), int64(len(small)), minio.PutObjectOptions{UserMetadata: map[string]string{"Color": "red"}}))
	check(bytes.Equal(read("small & ü"), small), "small differs")
	check(must(client.StatObject(ctx, bucket, "small & ü", minio.StatObjectOptions{})).UserMetadata["Color"] == "red", "metadata differs")
	// Of a length that is not known, in parts.
	must(client.PutObject(ctx, bucket, "large", io.MultiReader(bytes.NewReader(large)), -1, minio.PutObjectOptions{PartSize: 16 << 20}))
	check(bytes.Equal(read("large"), large), "large differs")
	must(client.ComposeObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: "composed"}, minio.CopySrcOptions{Bucket: bucket, Object: "large"}, minio.CopySrcOptions{Bucket: bucket, Object: "small & ü"}))
	check(bytes.Equal(read("composed"), append(append([]byte{}, large...), small...)), "composed differs")

	_, err := client.StatObject(ctx, bucket, "absent", minio.StatObjectOptions{})
	check(minio.ToErrorResponse(err).Code == "NoSuchKey", "absent: %v", err)
	signed := must(client.PresignedGetObject(ctx, bucket, "large", time.Minute, nil))
	check(bytes.Equal(must(io.ReadAll(must(http.Get(signed.String())).Body)), large), "presigned differs")

	listed := 0
	gone := make(chan minio.ObjectInfo)
	go func() {
		defer close(gone)
		for object := range client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true}) {
			check(object.Err == nil, "listing: %v", object.Err)
			listed++
			gone <- object
		}
	}()
	for failed := range client.RemoveObjects(ctx, bucket, gone, minio.RemoveObjectsOptions{}) {
		log.Fatal(failed)
	}
	check(listed == 3, "%d objects are listed", listed)
	check(client.RemoveBucket(ctx, bucket) == nil, "the bucket is not removed")
}
