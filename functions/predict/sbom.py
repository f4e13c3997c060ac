"""What the image holds: a CycloneDX SBOM, and the licences of all that is in it.

    python -m predict.sbom VERSION SITE_PACKAGES FOLDER

The Dockerfile runs it in a stage of its own, by what the image itself does not get.
"""

import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Final

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from apparent.model import EMBEDDED, store

CODE: Final = Path(__file__).parents[1] / "LICENSE"
WEIGHTS: Final = EMBEDDED / "LICENSE-WEIGHTS"
DETECTOR: Final = EMBEDDED.with_name("LICENSE-DETECTOR")
_SPDX: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
}
"""What packages call their licences where they do not use SPDX's names."""
_TEXTS: Final = ("licen", "copying", "notice", "thirdpartynotices")
"""How the names of files begin that hold licences."""


def _field(package: Distribution, name: str) -> str:
    return "".join(package.metadata.get_all(name, []))


def licence(package: Distribution) -> str:
    """By its metadata, an SPDX expression where they allow one."""
    if expression := _field(package, "License-Expression"):
        return expression
    named = _field(package, "License")
    kinds = [
        value.rpartition(" :: ")[2]
        for value in package.metadata.get_all("Classifier", [])
        if value.startswith("License ::")
    ]
    if named and named != "Dual License":
        kinds = [named]
    return " OR ".join(_SPDX.get(kind, kind) for kind in kinds) or "unknown"


def texts(package: Distribution) -> Iterator[tuple[str, str]]:
    """Path and text of every file in which a package tells its terms, or those of its parts."""
    for file in package.files or ():
        path = Path(str(file.locate()))
        if file.name.lower().startswith(_TEXTS) and file.suffix != ".py" and path.is_file():
            yield str(file), path.read_text(errors="replace")


def _licences(expression: str) -> list[License]:
    return [LicenseFactory().make_from_string(expression)]


def library(package: Distribution) -> Component:
    """A Python package."""
    name, version = package.metadata["Name"], package.version
    purl = PackageURL("pypi", name=name.lower().replace("_", "-"), version=version)
    return Component(
        name=name,
        version=version,
        purl=purl,
        bom_ref=str(purl),
        licenses=_licences(licence(package)),
    )


def networks() -> list[Component]:
    """The embedded estimator and detector, whose terms differ."""
    manifest = store.manifest_of(EMBEDDED)
    return [
        Component(
            type=ComponentType.MACHINE_LEARNING_MODEL,
            name=name,
            version=file.sha256[:12],
            bom_ref=name,
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file.sha256)],
            licenses=_licences(terms),
        )
        for name, file, terms in (
            (manifest.name, manifest.estimator, "LicenseRef-Apparent-Weights"),
            ("yunet", manifest.detector, "MIT"),
        )
    ]


def system() -> list[Component]:
    """The base's Python and Debian packages; their copyright files are in /usr/share/doc."""
    version = platform.python_version()
    python = PackageURL("generic", name="python", version=version)
    found = [
        Component(
            type=ComponentType.PLATFORM,
            name="python",
            version=version,
            purl=python,
            bom_ref=str(python),
            licenses=_licences("PSF-2.0"),
        )
    ]
    release = platform.freedesktop_os_release()
    distro = f"{release['ID']}-{release['VERSION_ID']}"
    query = ["dpkg-query", "--show", "--showformat=${Package} ${Version} ${Architecture}\n"]
    listed = subprocess.run(query, check=True, capture_output=True, text=True).stdout
    for name, version, arch in map(str.split, listed.splitlines()):
        qualifiers = {"arch": arch, "distro": distro}
        purl = PackageURL("deb", "debian", name, version, qualifiers)
        found.append(Component(name=name, version=version, purl=purl, bom_ref=str(purl)))
    return found


def sbom(version: str, components: Iterable[Component]) -> str:
    """The document, in version 1.6 of the format."""
    bom = Bom(components=components)
    image = bom.metadata.component = Component(
        type=ComponentType.CONTAINER,
        name="apparent",
        version=version,
        bom_ref="apparent",
        licenses=_licences("MIT AND LicenseRef-Apparent-Weights"),
    )
    bom.register_dependency(image, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=1)


def notices(packages: Iterable[Distribution]) -> str:
    """The terms of everything in the image that is not ours, and of the weights, as one text."""
    parts = [
        ("The weights: age_gender.onnx", WEIGHTS.read_text()),
        ("YuNet, the detector: face_detector.onnx", DETECTOR.read_text()),
    ]
    for package in packages:
        title = f"{package.metadata['Name']} {package.version}: {licence(package)}"
        told = list(texts(package))
        text = "\n\n".join(f"{path}\n\n{text}" for path, text in told)
        parts.append((title, text or "The package comes without its text."))
    line = "=" * 80
    return "".join(f"{line}\n{title}\n{line}\n\n{text.strip()}\n\n" for title, text in parts)


def main(version: str, site_packages: str, folder: str) -> None:
    """Writes the files into the folder."""
    installed = sorted(
        distributions(path=[site_packages]), key=lambda p: p.metadata["Name"].lower()
    )
    target = Path(folder)
    target.mkdir(parents=True)
    components = [*map(library, installed), *networks(), *system()]
    (target / "sbom.cdx.json").write_text(sbom(version, components) + "\n")
    (target / "THIRD-PARTY-NOTICES.txt").write_text(notices(installed))
    (target / "LICENSE").write_text(CODE.read_text())


if __name__ == "__main__":
    main(*sys.argv[1:])
