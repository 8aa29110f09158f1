# The image for who has docker; `make image` builds one without. The flags of go build are those of hack/image/source.go.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS TARGETARCH
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION REVISION
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false -ldflags "-s -w \
-X github.com/edgelb/edgelb/internal/operator.version=$VERSION -X github.com/edgelb/edgelb/internal/operator.revision=$REVISION" \
-o /edgelb .

FROM gcr.io/distroless/static:nonroot
COPY --from=build /edgelb /edgelb
USER 65532:65532
ENTRYPOINT ["/edgelb"]
