-- 费用明细：退费为负，init_feedetl_sn 指明所退的行。金额两位小数，取舍在这里写明。
-- 作废的行也要给出（void_flag 为 1），不要用 WHERE 去掉：已上传而后作废的，靠它查出来。
SELECT f.id       AS row_id,
       f.xgsj     AS changed_at,
       f.zyh      AS ipt_no,
       f.id       AS feedetl_sn,
       f.ymxid    AS init_feedetl_sn,
       f.fysj     AS fee_ocur_time,
       f.xmbm     AS medins_list_codg,
       f.xmmc     AS medins_list_name,
       x.gjbm     AS med_list_codg,
       f.je       AS det_item_fee_sumamt,
       f.sl       AS cnt,
       f.dj       AS pric,
       f.yzh      AS drord_no,
       f.kdks     AS bilg_dept_codg,
       f.kdksmc   AS bilg_dept_name,
       f.kdys     AS bilg_dr_codg,
       f.kdysxm   AS bilg_dr_name,
       f.zxks     AS acord_dept_codg,
       f.zxksmc   AS acord_dept_name,
       f.zyfs     AS tcmdrug_used_way,
       f.zfbz     AS void_flag
FROM   zy_fymx f
       LEFT JOIN xm_zd x ON x.xmbm = f.xmbm
