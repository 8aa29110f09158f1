package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strings"
	"time"
)

// The parts of an SPDX 2.3 document that are used here.
type (
	spdxDocument struct {
		SPDXVersion       string             `json:"spdxVersion"`
		DataLicense       string             `json:"dataLicense"`
		SPDXID            string             `json:"SPDXID"`
		Name              string             `json:"name"`
		DocumentNamespace string             `json:"documentNamespace"`
		CreationInfo      spdxCreation       `json:"creationInfo"`
		Packages          []spdxPackage      `json:"packages"`
		Relationships     []spdxRelationship `json:"relationships"`
	}
	spdxCreation struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	}
	spdxPackage struct {
		Name             string          `json:"name"`
		SPDXID           string          `json:"SPDXID"`
		VersionInfo      string          `json:"versionInfo"`
		DownloadLocation string          `json:"downloadLocation"`
		FilesAnalyzed    bool            `json:"filesAnalyzed"`
		LicenseConcluded string          `json:"licenseConcluded"`
		LicenseDeclared  string          `json:"licenseDeclared"`
		CopyrightText    string          `json:"copyrightText"`
		ExternalRefs     []spdxReference `json:"externalRefs"`
	}
	spdxReference struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	spdxRelationship struct {
		From string `json:"spdxElementId"`
		Type string `json:"relationshipType"`
		To   string `json:"relatedSpdxElement"`
	}
)

const (
	spdxDocumentID = "SPDXRef-DOCUMENT"
	spdxUnknown    = "NOASSERTION"
	rootsModule    = "golang.org/x/crypto/x509roots/fallback"
)

// newSBOM lists the operator, the modules that its binary says it was linked from, Go's standard library, and the certificates.
func newSBOM(binary string, s source) ([]byte, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	roots, err := rootsVersion()
	if err != nil {
		return nil, err
	}
	operator := newPackage(0, operatorModule, s.version)
	operator.LicenseConcluded, operator.LicenseDeclared = license, license
	document := spdxDocument{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", SPDXID: spdxDocumentID, Name: "edgelb " + s.version,
		DocumentNamespace: fmt.Sprintf("%s/sbom/%s/%s/%s", sourceURL, s.version, s.revision, architectureOf(info)),
		CreationInfo:      spdxCreation{s.time.Format(time.RFC3339), []string{"Tool: " + operatorModule + "/hack/image"}},
		Packages:          []spdxPackage{operator},
		Relationships:     []spdxRelationship{{spdxDocumentID, "DESCRIBES", operator.SPDXID}},
	}
	document.add(operator, "stdlib", strings.TrimPrefix(info.GoVersion, "go"))
	document.add(operator, rootsModule, roots)
	for _, dependency := range info.Deps {
		if dependency.Replace != nil {
			dependency = dependency.Replace
		}
		document.add(operator, dependency.Path, dependency.Version)
	}
	return json.MarshalIndent(document, "", " ")
}

// add lists a module that a package depends on.
func (d *spdxDocument) add(dependent spdxPackage, module, version string) {
	p := newPackage(len(d.Packages), module, version)
	d.Packages = append(d.Packages, p)
	d.Relationships = append(d.Relationships, spdxRelationship{dependent.SPDXID, "DEPENDS_ON", p.SPDXID})
}

func newPackage(number int, module, version string) spdxPackage {
	purl := "pkg:golang/" + module + "@" + strings.ReplaceAll(version, "+", "%2B")
	return spdxPackage{
		Name: module, SPDXID: fmt.Sprintf("SPDXRef-module-%d", number), VersionInfo: version, DownloadLocation: spdxUnknown,
		LicenseConcluded: spdxUnknown, LicenseDeclared: spdxUnknown, CopyrightText: spdxUnknown,
		ExternalRefs: []spdxReference{{"PACKAGE-MANAGER", "purl", purl}},
	}
}

func architectureOf(info *debug.BuildInfo) string {
	for _, setting := range info.Settings {
		if setting.Key == "GOARCH" {
			return setting.Value
		}
	}
	return ""
}

// rootsVersion returns the version of the certificates, which are linked into this program.
func rootsVersion() (string, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", fmt.Errorf("find the version of %s: this program was built without module information", rootsModule)
	}
	for _, dependency := range info.Deps {
		if dependency.Path == rootsModule {
			return dependency.Version, nil
		}
	}
	return "", fmt.Errorf("find the version of %s: this program does not have it", rootsModule)
}
