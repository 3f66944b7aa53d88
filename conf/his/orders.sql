-- 医嘱
SELECT y.id      AS row_id,
       y.xgsj    AS changed_at,
       y.zyh     AS ipt_no,
       y.id      AS drord_no,
       CASE WHEN y.yzlx = '1' THEN 'long' ELSE 'temp' END AS order_class,
       y.xmbm    AS item_codg,
       y.yznr    AS drord_name,
       y.kssj    AS begntime,
       y.tzsj    AS endtime,
       y.kdks    AS bilg_dept_codg,
       y.kdys    AS bilg_dr_codg,
       y.kdysxm  AS bilg_dr_name,
       y.zfbz    AS void_flag
FROM   zy_yz y
