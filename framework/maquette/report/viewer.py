"""Interactive 3D view of a `.glb` as one self-contained HTML page, with trimesh's bundled three.js viewer."""

from __future__ import annotations

from pathlib import Path

import numpy as np

AZIMUTH_DEG, ELEVATION_DEG, FOV_DEG = 30.0, 20.0, 35.0  # initial camera
MARGIN = 1.15  # initial distance, relative to where the bounding sphere fills the view

# trimesh's page has linear output, in which textures look dark, and no light but the camera's
TUNING = """<style>
  html, body { height: 100%; background: #f4f5f7; }
  #waiting { position: fixed; inset: 0; display: grid; place-content: center; z-index: -1;
             font: 14px system-ui, sans-serif; color: #777; }
  canvas { display: block; cursor: grab; touch-action: none; }
</style>
<div id="waiting">the 3D view needs WebGL</div>
<script>
  renderer.outputEncoding = THREE.sRGBEncoding;
  scene.background = new THREE.Color(0xf4f5f7);
  tracklight.intensity = 0.5;
  scene.add(new THREE.HemisphereLight(0xffffff, 0xcfd2d8, 0.56));
</script>
"""


def viewer_html(glb: Path) -> str:
    """An HTML page with the object, from its front, slightly left and above; drag rotates, the wheel zooms.

    Args:
        glb: a file in glTF's axes (y up, front along +z).

    Raises:
        ValueError: the file cannot be read, or holds no surface.
    """
    import trimesh
    from trimesh.viewer.notebook import scene_to_html

    try:
        scene = trimesh.load_scene(glb)
    except Exception as problem:  # trimesh's readers raise whatever a broken file makes them
        raise ValueError(f"{type(problem).__name__}: {problem}") from problem
    if scene.is_empty or scene.bounds is None:
        raise ValueError("it holds no surface")
    low, high = scene.bounds
    centre, radius = (low + high) / 2, float(np.linalg.norm(high - low) / 2)
    distance = MARGIN * radius / np.sin(np.radians(FOV_DEG) / 2)
    scene.camera.fov = (FOV_DEG, FOV_DEG)
    scene.camera.z_near, scene.camera.z_far = distance / 100, distance * 100
    scene.camera_transform = _camera_pose(centre, distance)
    return scene_to_html(scene).replace("</body>", f"{TUNING}</body>")


def _camera_pose(centre: np.ndarray, distance: float) -> np.ndarray:
    """Camera-to-world [4, 4] in glTF's axes: x right, y up, z backward."""
    azimuth, elevation = np.radians(AZIMUTH_DEG), np.radians(ELEVATION_DEG)
    backward = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    right = np.array([np.cos(azimuth), 0.0, -np.sin(azimuth)])
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(backward, right), backward], axis=1)
    pose[:3, 3] = centre + distance * backward
    return pose
