"""The last step of an evaluation pipeline: the picture as a tensor, what is known of it as a DetDataSample."""

from mmcv.transforms import BaseTransform

from yolo_plugins.registry import TRANSFORMS

from .pack_train import instances, pack

_META_KEYS = ("index", "img_id", "img_path", "ori_shape", "img_shape", "scale_factor", "pad_param")


@TRANSFORMS.register_module()
class PackEval(BaseTransform):
    """Packs a letterboxed picture and, where there are any, its annotations."""

    def transform(self, results: dict) -> dict:
        """Returns dict(inputs=(3, H, W) uint8 BGR, data_samples=DetDataSample).

        The sample's metainfo holds `index` (in the data set), `img_id`, `img_path`, `ori_shape` (h, w), `img_shape`
        (H, W), `scale_factor` (x, y) and `pad_param` (top, bottom, left, right) in pixels. Where `results` has
        annotations, `gt_instances` and `ignored_instances` (the difficult ones) hold `bboxes` (n, 4) xyxy in pixels of
        the original and `labels` (n,).
        """
        packed = pack(results, _META_KEYS)
        if "ori_bboxes" in results:
            bboxes, labels, difficult = results["ori_bboxes"], results["ori_labels"], results["difficult"]
            packed["data_samples"].gt_instances = instances(bboxes[~difficult], labels[~difficult])
            packed["data_samples"].ignored_instances = instances(bboxes[difficult], labels[difficult])
        return packed
